/** The worker answers probes in time; asked only as long as there is another that does. */
import type { Gate } from './gate.ts'

export const answeringGate: Gate = {
  name: 'answering',
  temporary: true,
  applies: ({ avoidsOverdue }) => avoidsOverdue,
  check: ({ overdue }, { avoidsOverdue }) =>
    overdue && avoidsOverdue ? 'an overdue answer' : undefined,
  required: () => 'an answer to every probe in time',
  actual: (fact) => `${fact}`,
}
