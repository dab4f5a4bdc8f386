/** `isochrone node`: a worker that joins gateways and serves models. */
import { defineCommand } from '../options/command.ts'
import { choice, decimal, integer, list, text } from '../options/option.ts'
import {
  clusterBoundOption,
  configOption,
  dataOption,
  emulatedPathOption,
  jsonOption,
  locationOption,
  logLevelOption,
  networkOption,
  priceOption,
  regionOption,
  upstreamKeyOption,
} from '../options/recurring.ts'

export const nodeCommand = defineCommand({
  name: 'node',
  summary: 'run a node: measure this machine, join gateways, serve models',
  options: {
    join: list('a gateway to join; with its id, its key is checked; repeatable', '[ID@]HOST:PORT'),
    token: text('the gateway’s join token; better given as a variable', { placeholder: 'TOKEN' }),
    'token-file': text('file with the join token', { placeholder: 'FILE' }),
    engine: choice('what runs the models', ['onnx', 'upstream'], 'onnx'),
    model: list('a model to serve; repeatable (default all of the store or upstream)', 'NAME'),
    backend: choice(
      'where the onnx engine computes',
      ['auto', 'cpu', 'webgpu', 'cuda', 'wasm'],
      'auto',
    ),
    slots: integer('generations at once per model', {
      default: 8,
      min: 1,
      max: 256,
      placeholder: 'N',
    }),
    threads: integer('threads of the onnx engine; 0: one per core', {
      default: 0,
      min: 0,
      max: 1024,
      placeholder: 'N',
    }),
    'context-max': integer('longest context in tokens; 0: what the model allows', {
      default: 0,
      min: 0,
      max: 16_777_216,
      placeholder: 'N',
    }),
    'upstream-url': text('the OpenAI-compatible server, with its /v1', { placeholder: 'URL' }),
    'upstream-key': upstreamKeyOption,
    region: regionOption,
    location: locationOption,
    network: networkOption,
    data: dataOption,
    name: text('folder of this node in the data folder', { default: 'node', placeholder: 'NAME' }),
    store: text('folder with the models', {
      placeholder: 'DIR',
      defaultText: 'models in the data folder',
    }),
    listen: text('address at which other members can dial this node', {
      placeholder: 'HOST:PORT',
      defaultText: 'none: it only dials',
    }),
    'cluster-bound-ms': clusterBoundOption,
    advertise: text('address told to other members, where it is not the one listened at', {
      placeholder: 'HOST:PORT',
      defaultText: 'the address listened at',
    }),
    'prompt-price': priceOption('prompt'),
    'completion-price': priceOption('completion'),
    'benchmark-ms': integer('time for measuring speed before joining', {
      default: 2000,
      min: 0,
      max: 2000,
      placeholder: 'MS',
    }),
    'drain-limit-ms': integer('on stopping, running answers get this long', {
      default: 30_000,
      min: 0,
      max: 3_600_000,
      placeholder: 'MS',
    }),
    'emulated-wan': decimal('emulate a wide area: one-way delay to what this node dials', {
      default: 0,
      min: 0,
      max: 10_000,
      placeholder: 'MS',
    }),
    'emulated-path': emulatedPathOption,
    'log-level': logLevelOption,
    json: jsonOption,
    config: configOption,
  },
  examples: [
    {
      command: 'isochrone node --join GATEWAY_ID@10.0.0.5:7400 --token-file join-token',
      meaning: 'serve every model of the local store',
    },
    {
      command:
        'isochrone node --join 10.0.0.5:7400 --engine upstream ' +
        '--upstream-url http://127.0.0.1:11434/v1',
      meaning: 'put a node in front of Ollama, vLLM, SGLang or llama-server',
    },
  ],
  run: async (input, context) => {
    const { runNode } = await import('../compose/node.ts')
    return runNode(input.options, context)
  },
})
