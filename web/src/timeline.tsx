import { Since, span } from './words'

// Entry is a stage or a step of one that was begun.
export interface Entry {
  stage: string
  step?: string
  startedAt: string
  endedAt?: string
  result?: string
  message?: string
}

// Pace is how long a stage or a step usually takes, in seconds: the middle one of what was seen, and within what nine of ten ended.
export interface Pace {
  stage: string
  step?: string
  seconds: number
  slow: number
  samples: number
  ofSize?: boolean
}

const took = (e: Entry, now: number) => (e.endedAt ? Date.parse(e.endedAt) : now) - Date.parse(e.startedAt)

const paceOf = (e: Entry, all: Pace[]) => all.find((p) => p.stage === e.stage && (p.step ?? '') === (e.step ?? ''))

// Usually says what was to be expected of an entry, and whether it takes, or took, longer.
function Usually({ of, all, now }: { of: Entry; all: Pace[]; now: number }) {
  const p = paceOf(of, all)
  if (!p) return null
  return (
    <>
      {' '}
      · usually {span(p.seconds * 1000)}
      {took(of, now) > p.slow * 1000 && (
        <>
          {' '}
          <span className="badge warn" title={`Nine of ten ${p.ofSize ? 'hosts of this size' : 'hosts'} are done within ${span(p.slow * 1000)} (${p.samples} times seen)`}>
            longer than nine of ten
          </span>
        </>
      )}
    </>
  )
}

// expected says how long what is under way takes: the step where there is one that is known, and else the stage; null where neither is.
export function expected(of: Entry[], paces: Pace[], now: number) {
  const open = of.filter((e) => !e.endedAt).toSorted((a, b) => (b.step ? 1 : 0) - (a.step ? 1 : 0))
  const e = open.find((x) => paceOf(x, paces))
  const p = e && paceOf(e, paces)
  if (!e || !p) return null
  const left = p.seconds * 1000 - took(e, now)
  return (
    <>
      {e.step ?? e.stage} takes {span(p.seconds * 1000)}, nine of ten {p.ofSize ? 'hosts of this size' : 'hosts'} are done within {span(p.slow * 1000)}
      {left > 0 ? `; ${span(left)} are left` : ''}
      {took(e, now) > p.slow * 1000 && (
        <>
          {' '}
          <span className="badge warn">longer than nine of ten</span>
        </>
      )}
    </>
  )
}

// Timeline is what was done, the latest first, with what was to be expected beside what it took.
export function Timeline({ of, paces, now }: { of: Entry[]; paces: Pace[]; now: number }) {
  if (!of.length) return <p className="quiet">Nothing was done yet.</p>
  return (
    <div className="scroller" role="region" aria-label="Timeline" tabIndex={0}>
      <ol className="timeline">
        {of.toReversed().map((e, i) => (
          <li key={of.length - i} className={e.result === 'failed' ? 'bad' : e.endedAt ? '' : 'work'}>
            <span className="what">
              <b>{e.stage}</b> {e.step}
            </span>
            <span className="quiet">
              <Since at={e.startedAt} now={now} /> · {e.endedAt ? span(took(e, now)) : 'since then'} {e.result && `· ${e.result}`}
              <Usually of={e} all={paces} now={now} />
            </span>
            {e.message && <span>{e.message}</span>}
          </li>
        ))}
      </ol>
    </div>
  )
}
