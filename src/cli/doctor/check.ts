/** What `doctor` finds: one check, its result, and how to mend it. Pure. */
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'absent' | 'warn' | 'fail'
  readonly finding: string
  /** What to do; empty when nothing is to be done. */
  readonly mend: string
}

export function ok(name: string, finding: string): Check {
  return { name, status: 'ok', finding, mend: '' }
}

/** Not here, and not needed. */
export function absent(name: string, finding: string, mend = ''): Check {
  return { name, status: 'absent', finding, mend }
}

export function warn(name: string, finding: string, mend: string): Check {
  return { name, status: 'warn', finding, mend }
}

export function fail(name: string, finding: string, mend: string): Check {
  return { name, status: 'fail', finding, mend }
}

export function renderChecks(
  checks: readonly Check[],
  { style, width }: Pick<Terminal, 'style' | 'width'>,
): string {
  const marks = {
    ok: style.green('ok'),
    absent: style.dim('–'),
    warn: style.yellow('warn'),
    fail: style.red('fail'),
  }
  const rows = checks.flatMap(({ finding, mend, name, status }) => [
    [marks[status], name, finding],
    ...(mend === '' ? [] : [['', '', style.dim(`→ ${mend}`)]]),
  ])
  const table = renderTable([{ title: '' }, { title: 'CHECK' }, { title: 'FINDING' }], rows, {
    paintTitle: style.bold,
    width,
  })
  return `${table}\n${verdictOf(checks)}\n`
}

function verdictOf(checks: readonly Check[]): string {
  const failed = checks.filter(({ status }) => status === 'fail').length
  const warned = checks.filter(({ status }) => status === 'warn').length
  if (failed > 0)
    return `${failed} of ${checks.length} checks failed: this machine cannot be a node yet.`
  if (warned > 0) return `This machine can be a node; ${warned} of ${checks.length} checks warn.`
  return 'This machine can be a node.'
}
