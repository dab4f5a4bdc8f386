/** The servers whose dialects are known. */
export type ServerKind = 'vllm' | 'sglang' | 'llama-server' | 'ollama' | 'openai' | 'unknown'

const kindOfOwner: Readonly<Record<string, ServerKind>> = {
  vllm: 'vllm',
  sglang: 'sglang',
  llamacpp: 'llama-server',
  library: 'ollama',
  ollama: 'ollama',
  openai: 'openai',
  system: 'openai',
}

/** What `owned_by` in `/v1/models` gives away. */
export function kindOf(owner: string | null): ServerKind {
  return kindOfOwner[(owner ?? '').toLowerCase()] ?? 'unknown'
}

/** Generations that run at once where the server does not say: its own default. */
export const slotsByKind: Readonly<Record<ServerKind, number>> = {
  vllm: 256,
  sglang: 256,
  'llama-server': 4,
  ollama: 4,
  openai: 256,
  unknown: 64,
}
