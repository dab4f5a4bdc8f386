/** For tests: what is to happen, the earliest in front; a binary heap in an array. */
export interface Due {
  readonly atMs: number
  /** Among those of one instant. */
  readonly order: number
}

function isBefore(one: Due, other: Due): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}

export function insert<Item extends Due>(heap: Item[], added: Item): void {
  let place = heap.length
  heap.push(added)
  while (place > 0) {
    const parent = (place - 1) >> 1
    const above = heap[parent] as Item
    if (!isBefore(added, above)) break
    heap[place] = above
    place = parent
  }
  heap[place] = added
}

/** The one in front, which was read already. */
export function takeFirst<Item extends Due>(heap: Item[]): void {
  const moved = heap.pop() as Item
  if (heap.length === 0) return
  let place = 0
  for (;;) {
    let child = 2 * place + 1
    if (child >= heap.length) break
    const right = heap[child + 1]
    if (right !== undefined && isBefore(right, heap[child] as Item)) child += 1
    const below = heap[child] as Item
    if (!isBefore(below, moved)) break
    heap[place] = below
    place = child
  }
  heap[place] = moved
}
