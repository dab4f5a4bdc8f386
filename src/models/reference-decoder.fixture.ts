/**
 * For tests: a decoder of the Llama family in plain float64, written from the papers and from
 * transformers' formulas, sharing nothing with the graphs: it reads the raw configuration and
 * tensors.
 */
import type { RawConfig, RawTensor, RawTensors } from './checkpoint.fixture.ts'

type Vector = Float64Array

/** @returns for each position the logits that follow it */
export function referenceLogits(
  config: RawConfig,
  tensors: RawTensors,
  tokens: readonly number[],
): readonly Vector[] {
  const model = new ReferenceDecoder(config, tensors)
  return tokens.map((token, position) => model.step(token, position))
}

class ReferenceDecoder {
  readonly #config: RawConfig
  readonly #tensors: RawTensors
  /** Per layer, the keys and values of all positions so far. */
  readonly #keys: Vector[][]
  readonly #values: Vector[][]

  constructor(config: RawConfig, tensors: RawTensors) {
    this.#config = config
    this.#tensors = tensors
    this.#keys = Array.from({ length: config.num_hidden_layers }, () => [])
    this.#values = Array.from({ length: config.num_hidden_layers }, () => [])
  }

  step(token: number, position: number): Vector {
    const width = this.#config.hidden_size
    const embedding = this.#tensor('model.embed_tokens.weight')
    let x: Vector = Float64Array.from(embedding.values.subarray(token * width, (token + 1) * width))
    for (let layer = 0; layer < this.#config.num_hidden_layers; layer += 1) {
      const at = `model.layers.${layer}`
      x = add(x, this.#attention(layer, this.#norm(`${at}.input_layernorm`, x), position))
      x = add(x, this.#feedForward(at, this.#norm(`${at}.post_attention_layernorm`, x)))
    }
    const isTied = this.#config['tie_word_embeddings'] !== false
    const head = isTied ? embedding : this.#tensor('lm_head.weight')
    return product(head, this.#norm('model.norm', x))
  }

  #attention(layer: number, x: Vector, position: number): Vector {
    const { num_attention_heads: heads, num_key_value_heads: groups, head_dim: size } = this.#config
    const at = `model.layers.${layer}.self_attn`
    const rotates = this.#rotates(layer)
    const heading = (name: string, count: number) =>
      split(this.#linear(`${at}.${name}_proj`, x), count).map((head) => {
        const normed =
          this.#config.model_type === 'qwen3' ? this.#norm(`${at}.${name}_norm`, head) : head
        return rotates ? rotate(normed, position, this.#config) : normed
      })
    const queries = heading('q', heads)
    this.#keys[layer]?.push(join(heading('k', groups)))
    this.#values[layer]?.push(this.#linear(`${at}.v_proj`, x))
    const first = Math.max(0, position + 1 - this.#window(layer))
    const outputs = queries.map((query, head) => {
      const offset = Math.floor(head / (heads / groups)) * size
      const scores: number[] = []
      for (let past = first; past <= position; past += 1) {
        const key = this.#keys[layer]?.[past]?.subarray(offset, offset + size) ?? new Float64Array()
        scores.push(dot(query, key) / Math.sqrt(size))
      }
      const greatest = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - greatest))
      const sum = weights.reduce((a, b) => a + b, 0)
      const output = new Float64Array(size)
      for (const [i, weight] of weights.entries()) {
        const value = this.#values[layer]?.[first + i]?.subarray(offset, offset + size) ?? []
        for (const [k, element] of value.entries()) {
          output[k] = (output[k] ?? 0) + (weight / sum) * element
        }
      }
      return output
    })
    return this.#linear(`${at}.o_proj`, join(outputs))
  }

  #feedForward(at: string, x: Vector): Vector {
    const gate = this.#linear(`${at}.mlp.gate_proj`, x)
    const up = this.#linear(`${at}.mlp.up_proj`, x)
    const active = gate.map((value, i) => (value / (1 + Math.exp(-value))) * (up[i] ?? 0))
    return this.#linear(`${at}.mlp.down_proj`, active)
  }

  #norm(name: string, x: Vector): Vector {
    const weight = this.#tensor(`${name}.weight`).values
    const epsilon = this.#config['rms_norm_eps'] as number
    const scale = 1 / Math.sqrt(dot(x, x) / x.length + epsilon)
    return x.map((value, i) => value * scale * (weight[i] ?? 0))
  }

  #linear(name: string, x: Vector): Vector {
    const y = product(this.#tensor(`${name}.weight`), x)
    const bias = this.#tensors.get(`${name}.bias`)?.values
    return bias === undefined ? y : y.map((value, i) => value + (bias[i] ?? 0))
  }

  #rotates(layer: number): boolean {
    const flags = this.#config['no_rope_layers'] as readonly number[] | undefined
    return flags === undefined || flags[layer] === 1
  }

  #window(layer: number): number {
    const { sliding_window: window, max_window_layers: first } = this.#config
    const isOn =
      this.#config.model_type === 'mistral' || this.#config['use_sliding_window'] === true
    if (!isOn || typeof window !== 'number') return Number.POSITIVE_INFINITY
    if (typeof first === 'number' && layer < first) return Number.POSITIVE_INFINITY
    return window
  }

  #tensor(name: string): RawTensor {
    const tensor = this.#tensors.get(name)
    if (tensor === undefined) throw new Error(`no tensor ${name}`)
    return tensor
  }
}

/** Halves rotated against each other, as in GPT-NeoX. */
function rotate(head: Vector, position: number, config: RawConfig): Vector {
  const half = head.length / 2
  const { frequency, amplitude } = ropeOf(config, position)
  const rotated = new Float64Array(head.length)
  for (let i = 0; i < half; i += 1) {
    const angle = position * frequency(i)
    const a = head[i] ?? 0
    const b = head[half + i] ?? 0
    rotated[i] = amplitude * (a * Math.cos(angle) - b * Math.sin(angle))
    rotated[half + i] = amplitude * (b * Math.cos(angle) + a * Math.sin(angle))
  }
  return rotated
}

interface RawScaling {
  readonly rope_type: string
  readonly rope_theta?: number
  readonly factor: number
  readonly original_max_position_embeddings: number
  readonly low_freq_factor: number
  readonly high_freq_factor: number
}

function ropeOf(
  config: RawConfig,
  position: number,
): { readonly frequency: (i: number) => number; readonly amplitude: number } {
  const size = config.head_dim
  const scaling = (config['rope_parameters'] ?? config['rope_scaling']) as RawScaling | undefined
  const base = scaling?.rope_theta ?? (config['rope_theta'] as number)
  const plain = (i: number) => 1 / base ** ((2 * i) / size)
  if (scaling === undefined) return { frequency: plain, amplitude: 1 }
  const { factor, original_max_position_embeddings: original } = scaling
  switch (scaling.rope_type) {
    case 'linear':
      return { frequency: (i) => plain(i) / factor, amplitude: 1 }
    case 'dynamic': {
      const length = Math.max(position + 1, original)
      const grown = base * ((factor * length) / original - (factor - 1)) ** (size / (size - 2))
      return { frequency: (i) => 1 / grown ** ((2 * i) / size), amplitude: 1 }
    }
    case 'llama3':
      return { frequency: (i) => llama3(plain(i), scaling), amplitude: 1 }
    case 'yarn': {
      const correction = (turns: number) =>
        (size * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base))
      const low = Math.max(Math.floor(correction(32)), 0)
      const high = Math.min(Math.ceil(correction(1)), size - 1)
      const frequency = (i: number) => {
        const ramp = Math.min(Math.max((i - low) / (high - low), 0), 1)
        return (plain(i) / factor) * ramp + plain(i) * (1 - ramp)
      }
      return { frequency, amplitude: 0.1 * Math.log(factor) + 1 }
    }
    default:
      return { frequency: plain, amplitude: 1 }
  }
}

function llama3(frequency: number, scaling: RawScaling): number {
  const { original_max_position_embeddings: original, low_freq_factor: low } = scaling
  const { high_freq_factor: high, factor } = scaling
  const length = (2 * Math.PI) / frequency
  if (length > original / low) return frequency / factor
  if (length < original / high) return frequency
  const share = (original / length - low) / (high - low)
  return (1 - share) * (frequency / factor) + share * frequency
}

function product(matrix: RawTensor, x: Vector): Vector {
  const [rows = 0, columns = 0] = matrix.shape
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let k = 0; k < columns; k += 1)
      sum += (matrix.values[row * columns + k] ?? 0) * (x[k] ?? 0)
    return sum
  })
}

function dot(a: Vector, b: Vector): number {
  let sum = 0
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

function add(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + (b[i] ?? 0))
}

function split(x: Vector, parts: number): readonly Vector[] {
  const size = x.length / parts
  return Array.from({ length: parts }, (_, i) => x.subarray(i * size, (i + 1) * size))
}

function join(parts: readonly Vector[]): Vector {
  return Float64Array.from(parts.flatMap((part) => [...part]))
}
