/**
 * What lies where in a FlatBuffers table; `generated/layouts.js` has one for every table of the
 * schemas.
 */
export interface TableLayout {
  readonly name: string
  /** In the order of the schema: field i has the vtable's entry i. */
  readonly fields: readonly FieldLayout[]
}

export interface FieldLayout {
  readonly name: string
  readonly kind: 'scalar' | 'string' | 'scalars' | 'strings' | 'table' | 'tables'
  /** Of the scalar or of one element; 0 where there is none. */
  readonly bytes: number
  readonly table?: TableLayout
}
