/** For the tests: the module itself is plain JavaScript. */
export function keepCompiled(root: string, signal?: AbortSignal): Promise<void>
export function stampOf(root: string): string
