/** What is on the disk of a gateway whose process ends: the signed steps of its incidents. */
import type { IncidentStore, SignedStep } from '../../evidence/index.ts'

export class KeptSteps implements IncidentStore {
  readonly steps: SignedStep[] = []
  flushes = 0

  append(step: SignedStep): void {
    this.steps.push(step)
  }

  async flush(): Promise<void> {
    this.flushes += 1
  }

  all(): Iterable<SignedStep> {
    return [...this.steps]
  }

  of(incident: string): Iterable<SignedStep> {
    return this.steps.filter(({ json }) => json.includes(incident))
  }
}
