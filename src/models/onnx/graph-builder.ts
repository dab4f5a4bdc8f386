/**
 * Gathers the nodes, weights, inputs and outputs of one ONNX graph.
 */
import { assert } from '../../base/index.ts'
import {
  type AttributeValue,
  encodeOnnxModel,
  type GraphNode,
  type Initializer,
  type ValueInfo,
} from './onnx-model.ts'

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>
  /** Outputs in order; an empty string leaves one out. Default: one, named after the node. */
  readonly outputs?: readonly string[]
}

export class GraphBuilder {
  readonly #name: string
  readonly #inputs: ValueInfo[] = []
  readonly #outputs: ValueInfo[] = []
  readonly #initializers = new Map<string, Initializer>()
  readonly #nodes: GraphNode[] = []

  constructor(name: string) {
    this.#name = name
  }

  input(info: ValueInfo): string {
    this.#inputs.push(info)
    return info.name
  }

  output(info: ValueInfo): string {
    this.#outputs.push(info)
    return info.name
  }

  /** Weights that several nodes share are added once. */
  initializer(initializer: Initializer): string {
    this.#initializers.set(initializer.name, initializer)
    return initializer.name
  }

  /** An operator of ONNX itself. @returns the name of its first output */
  node(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return this.#add({ operator, domain: '' }, inputs, options)
  }

  /** An operator of ONNX Runtime. @returns the name of its first output */
  runtimeNode(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return this.#add({ operator, domain: 'com.microsoft' }, inputs, options)
  }

  #add(
    kind: Pick<GraphNode, 'operator' | 'domain'>,
    inputs: readonly string[],
    options: NodeOptions,
  ): string {
    const name = `${kind.operator}_${this.#nodes.length}`
    const outputs = options.outputs ?? [name]
    this.#nodes.push({ ...kind, name, inputs, outputs, attributes: options.attributes ?? {} })
    const [first] = outputs
    assert(first !== undefined && first !== '', 'a node has a first output')
    return first
  }

  encode(): Uint8Array {
    return encodeOnnxModel({
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: [...this.#initializers.values()],
      nodes: this.#nodes,
    })
  }
}
