/** For the tests: the module itself is plain JavaScript. */
export function keepCompiled(root: string): Promise<void>
export function stampOf(root: string): string
