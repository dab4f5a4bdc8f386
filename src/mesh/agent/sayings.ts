/** How what happened to a member reads in the log. */
export const sayings = {
  joined: 'joined',
  returned: 'returned',
  suspected: 'is suspected',
  refuted: 'refuted a suspicion',
  died: 'died',
  left: 'left',
} as const
