/** How much of a line a text takes. */
const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')

/** Characters on screen: colours take none. */
export function widthOf(text: string): number {
  return text.replaceAll(escapes, '').length
}
