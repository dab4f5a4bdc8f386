/** `isochrone models`: the models of this machine. */
import { defineCommand } from '../options/command.ts'
import { choice, text } from '../options/option.ts'
import { configOption, dataOption, jsonOption } from '../options/recurring.ts'

export const modelsCommand = defineCommand({
  name: 'models',
  summary: 'bring models into the local store, list and remove them',
  actions: [
    {
      name: 'import',
      help: 'bring a Hugging Face folder into the store',
      arguments: [{ name: 'DIR', help: 'folder with config.json and safetensors', required: true }],
    },
    {
      name: 'pull',
      help: 'download a model from a hub; continues where it stopped',
      arguments: [{ name: 'ID', help: 'for example Qwen/Qwen3-0.6B', required: true }],
    },
    { name: 'list', help: 'what the store holds', arguments: [] },
    {
      name: 'remove',
      help: 'remove a model from the store',
      arguments: [{ name: 'NAME', help: 'its name or digest', required: true }],
    },
  ],
  options: {
    data: dataOption,
    store: text('folder with the models', {
      placeholder: 'DIR',
      defaultText: 'models in the data folder',
    }),
    name: text('name under which to serve it', {
      placeholder: 'NAME',
      defaultText: 'the folder’s own',
    }),
    quantisation: choice('how to keep the weights', ['float32', 'float16', 'int4'], 'float32'),
    hub: text('where to download from', {
      default: 'https://huggingface.co',
      placeholder: 'URL',
    }),
    'hub-token': text('token of an account at the hub, for models that need one', {
      placeholder: 'TOKEN',
    }),
    revision: text('branch, tag or commit to download', { default: 'main', placeholder: 'NAME' }),
    json: jsonOption,
    config: configOption,
  },
  examples: [
    { command: 'isochrone models import models/isochrone-tiny', meaning: 'the reference model' },
    { command: 'isochrone models pull Qwen/Qwen3-0.6B --quantisation int4', meaning: 'from a hub' },
    { command: 'isochrone models list', meaning: 'a table' },
  ],
  run: async (input, context) => {
    const { runModels } = await import('../store/run-models.ts')
    return runModels(
      { ...input.options, action: input.action, subject: input.arguments[0] },
      context,
    )
  },
})
