/** How what happened to a member reads in the log. */
export const sayings = {
  joined: 'joined',
  returned: 'returned',
  suspected: 'is suspected',
  refuted: 'refuted a suspicion',
  died: 'died',
  left: 'left',
  displaced: 'never answered and made room for another',
} as const
