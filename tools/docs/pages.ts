/** Every generated page of docs/, by its file. */
import { errorsPage } from './errors-page.ts'
import { httpPage } from './http-page.ts'
import { metricsPage } from './metrics-page.ts'
import { optionsPage } from './options-page.ts'
import { policyPage } from './policy-page.ts'

export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/errors.md', errorsPage()],
    ['docs/http.md', await httpPage()],
    ['docs/metrics.md', metricsPage()],
    ['docs/options.md', optionsPage()],
    ['docs/policy.md', policyPage()],
  ])
}
