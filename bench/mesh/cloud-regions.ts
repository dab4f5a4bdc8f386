/**
 * Measured round trips between the regions of three public clouds (Skyplane, April 2022), with
 * where the regions are: the clouds name a metropolis for each, Natural Earth says where that is.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Point } from '../../src/mesh/index.ts'

export interface CloudRegion {
  /** As in the data, `aws:eu-west-1`. */
  readonly name: string
  readonly at: Point
}

export interface CloudLink {
  readonly a: CloudRegion
  readonly b: CloudRegion
  /** The least of all rows, both directions: some rows are faulty and far too short. */
  readonly minMs: number
  /** The median of the rows' averages. */
  readonly medianMs: number
  readonly maxMs: number
  readonly deviationMs: number
}

const files = {
  latency: 'latency/skyplane_cloud_latency_2022-04.csv.gz',
  places: 'geo/ne_populated_places.csv',
}
export const cloudFiles: readonly string[] = Object.values(files)

/** City and country of each region, as the clouds say in their lists of regions. */
const metropolises: Readonly<Record<string, string>> = {
  'Cape Town,ZA': 'aws:af-south-1',
  'Hong Kong,HK': 'aws:ap-east-1 azure:eastasia gcp:asia-east2-a',
  'Tokyo,JP': 'aws:ap-northeast-1 azure:japaneast gcp:asia-northeast1-a',
  'Seoul,KR': 'aws:ap-northeast-2 azure:koreacentral gcp:asia-northeast3-a',
  'Ōsaka,JP': 'aws:ap-northeast-3 gcp:asia-northeast2-a',
  'Mumbai,IN': 'aws:ap-south-1 gcp:asia-south1-a',
  'Singapore,SG': 'aws:ap-southeast-1 gcp:asia-southeast1-a',
  'Sydney,AU': 'aws:ap-southeast-2 azure:australiaeast gcp:australia-southeast1-a',
  'Jakarta,ID': 'aws:ap-southeast-3 gcp:asia-southeast2-a',
  'Montréal,CA': 'aws:ca-central-1 gcp:northamerica-northeast1-a',
  'Frankfurt,DE': 'aws:eu-central-1 azure:germanywestcentral gcp:europe-west3-a',
  'Stockholm,SE': 'aws:eu-north-1',
  'Milan,IT': 'aws:eu-south-1',
  'Dublin,IE': 'aws:eu-west-1 azure:northeurope',
  'London,GB': 'aws:eu-west-2 azure:uksouth gcp:europe-west2-a',
  'Manama,BH': 'aws:me-south-1',
  'São Paulo,BR': 'aws:sa-east-1 azure:brazilsouth gcp:southamerica-east1-a',
  'Washington, D.C.,US': 'aws:us-east-1 azure:eastus gcp:us-east4-a',
  'Columbus,US': 'aws:us-east-2',
  'San Francisco,US': 'aws:us-west-1 azure:westus',
  'Portland,US': 'aws:us-west-2 gcp:us-west1-a',
  'Toronto,CA': 'azure:canadacentral gcp:northamerica-northeast2-a',
  'Pune,IN': 'azure:centralindia',
  'Paris,FR': 'azure:francecentral',
  'Chicago,US': 'azure:northcentralus',
  'Oslo,NO': 'azure:norwayeast',
  'Johannesburg,ZA': 'azure:southafricanorth',
  'Gävle,SE': 'azure:swedencentral',
  'Zürich,CH': 'azure:switzerlandnorth gcp:europe-west6-a',
  'Dubai,AE': 'azure:uaenorth',
  'Amsterdam,NL': 'azure:westeurope',
  'Phoenix,US': 'azure:westus3',
  'Taichung,TW': 'gcp:asia-east1-a',
  'Delhi,IN': 'gcp:asia-south2-a',
  'Melbourne,AU': 'gcp:australia-southeast2-a',
  'Warsaw,PL': 'gcp:europe-central2-a',
  'Helsinki,FI': 'gcp:europe-north1-a',
  'Brussels,BE': 'gcp:europe-west1-b',
  'Groningen,NL': 'gcp:europe-west4-a',
  'Santiago,CL': 'gcp:southamerica-west1-a',
  'Omaha,US': 'gcp:us-central1-a',
  'Charleston,US': 'gcp:us-east1-b',
  'Las Vegas,US': 'gcp:us-west4-a',
}

/** @param folder with `latency/` and `geo/` */
export function readCloudLinks(folder: string): readonly CloudLink[] {
  const places = readPlaces(readFileSync(join(folder, files.places), 'utf8'))
  const regions = new Map<string, CloudRegion>()
  for (const [city, names] of Object.entries(metropolises)) {
    const at = places.get(city)
    if (at === undefined) throw new Error(`${files.places} does not have ${city}`)
    for (const name of names.split(' ')) regions.set(name, { name, at })
  }
  const rows = gunzipSync(readFileSync(join(folder, files.latency))).toString('utf8')
  return linksOf(rows.trim().split('\n').slice(1), regions)
}

function linksOf(
  rows: readonly string[],
  regions: ReadonlyMap<string, CloudRegion>,
): readonly CloudLink[] {
  const byPair = new Map<string, string[][]>()
  for (const row of rows) {
    const cells = row.split(',')
    const [from = '', fromTier, , to = '', toTier] = cells
    // The clouds' own networks; their cheaper tier goes over the public internet.
    if (from === to || fromTier !== 'PREMIUM' || toTier !== 'PREMIUM') continue
    const key = [from, to].sort().join(' ')
    const known = byPair.get(key)
    if (known === undefined) byPair.set(key, [cells])
    else known.push(cells)
  }
  return [...byPair].map(([key, all]) => {
    const [a, b] = key.split(' ').map((name) => regions.get(name))
    if (a === undefined || b === undefined) throw new Error(`no place is known for “${key}”`)
    const column = (index: number) => all.map((cells) => Number(cells[index])).sort((x, y) => x - y)
    const middle = Math.floor(all.length / 2)
    return {
      a,
      b,
      minMs: column(6)[0] ?? Number.NaN,
      medianMs: column(7)[middle] ?? Number.NaN,
      maxMs: column(8)[middle] ?? Number.NaN,
      deviationMs: column(9)[middle] ?? Number.NaN,
    }
  })
}

/** “City,country code” → where; the largest of that name. */
function readPlaces(csv: string): ReadonlyMap<string, Point> {
  const places = new Map<string, Point & { readonly people: number }>()
  for (const line of csv.trim().split('\n').slice(1)) {
    const cells = [...line.matchAll(/("[^"]*"|[^,]*)(?:,|$)/g)].map(([, cell = '']) =>
      cell.replaceAll('"', ''),
    )
    const key = `${cells[0]},${cells[2]}`
    const people = Number(cells[5])
    if ((places.get(key)?.people ?? -1) >= people) continue
    places.set(key, { latitude: Number(cells[3]), longitude: Number(cells[4]), people })
  }
  return places
}
