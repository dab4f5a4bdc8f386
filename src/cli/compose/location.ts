/** `--location`: a point of the earth, of which only the cell around it is told to anyone. */
import { usageError } from '../options/usage-error.ts'

/** The cell; empty where no location was given. A cell is taken as it is. */
export async function declaredCell(location: string): Promise<string> {
  if (location === '' || /^[0-9a-f]{15}$/.test(location)) return location
  const [, latitude, longitude] = /^(-?\d+(?:\.\d+)?), ?(-?\d+(?:\.\d+)?)$/.exec(location) ?? []
  const point = { latitude: Number(latitude), longitude: Number(longitude) }
  if (!(Math.abs(point.latitude) <= 90 && Math.abs(point.longitude) <= 180)) {
    throw usageError(
      `--location "${location}" must be LATITUDE,LONGITUDE in degrees, for example 52.5,13.4 ` +
        '(north and east are positive), or an H3 cell of resolution 4 or coarser',
    )
  }
  // Loaded only where a point is given: the cells of the earth take some 10 MB.
  const { loadCellGrid } = await import('../../mesh/index.ts')
  return (await loadCellGrid()).cellAt(point)
}
