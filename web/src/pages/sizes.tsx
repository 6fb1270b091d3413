import type { CSSProperties, ReactNode } from 'react'
import type { PageProps } from '../app'
import { keeping, useLive } from '../live'
import { Frame, Table } from '../parts'
import { setQuery } from '../router'
import { share } from '../use'
import { State } from '../words'

interface Named {
  name: string
  why: string
}

export interface Capacity {
  partition: string
  size: string
  total: number
  allocated: number
  available: number
  free: number
  reserved: number
  used: number
  faulty?: Named[]
  other?: Named[]
}

interface SizeRow {
  key: string
  description?: string
  cores: string
  memory: string
  disks?: string
  gpus?: string
  images?: string[]
  hosts: number
  ambiguous?: number
  overlaps?: { size: string; example?: string }[]
  ready: string
  reason?: string
  why?: string
  capacity?: Capacity[]
  reservations?: { name: string; for: string; partitions: string[]; amount: number; used: number; available: number }[]
}

interface Body {
  hidden?: boolean
  without?: Capacity[]
}

const collator = new Intl.Collator('en', { numeric: true })

const parts: [string, string, (c: Capacity) => number][] = [
  ['taken', 'taken', (c) => c.allocated],
  ['free', 'free', (c) => c.free],
  ['back', 'held back', (c) => c.available - c.free],
  ['faulty', 'faulty', (c) => c.faulty?.length ?? 0],
  ['other', 'other', (c) => c.other?.length ?? 0],
]

// Bar is all hosts of a row, by what they are. The parts are Ingot's own count: none is counted twice.
function Bar({ c }: { c: Capacity }) {
  const said = parts.filter(([, , n]) => n(c)).map(([, word, n]) => `${n(c)} ${word}`)
  return (
    <span className="stack" role="img" aria-label={`${c.total} hosts: ${said.join(', ') || 'none'}`}>
      {parts.map(([tone, word, n]) => n(c) > 0 && <span key={tone} className={tone} title={`${n(c)} ${word}`} style={{ flexGrow: share(n(c), c.total) } as CSSProperties} />)}
    </span>
  )
}

function Hosts({ all }: { all: Named[] }) {
  if (!all.length) return <>0</>
  return (
    <details>
      <summary>{all.length}</summary>
      <ul className="named">
        {all.map((h) => (
          <li key={h.name}>
            <a href={`/hosts/${h.name}`}>{h.name}</a> <span className="quiet">{h.why}</span>
          </li>
        ))}
      </ul>
    </details>
  )
}

function Counts({ rows, label }: { rows: Capacity[]; label: string }) {
  return (
    <Table
      label={label}
      head={['Partition', 'Hosts', 'Shares', 'Taken', 'Free', 'Held back', 'Faulty', 'Other']}
      rows={rows.map((c): ReactNode[] => [
        c.partition || <span className="quiet">none</span>,
        c.total,
        <Bar c={c} />,
        c.allocated,
        <b>{c.free}</b>,
        <>
          {c.available - c.free} {c.reserved > 0 && <small className="quiet">({c.used} of {c.reserved} reserved are used)</small>}
        </>,
        <Hosts all={c.faulty ?? []} />,
        <Hosts all={c.other ?? []} />,
      ])}
    />
  )
}

export function Sizes({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const live = useLive<Body, SizeRow>(keeping('/sizes', q), onLogout)
  const b = live.body
  const words = (q.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const shown = [...live.rows.values()]
    .filter((s) => words.every((w) => `${s.key} ${s.description ?? ''} ${s.cores} ${s.memory} ${s.disks ?? ''} ${s.gpus ?? ''}`.toLowerCase().includes(w)))
    .sort((x, y) => collator.compare(x.key, y.key))
  return (
    <Frame title="Sizes" live={live} projects>
      <form className="filters" role="search" aria-label="Sizes" onSubmit={(e) => e.preventDefault()}>
        <label>
          Search
          <input type="search" value={q.get('q') ?? ''} onChange={(e) => setQuery({ q: e.target.value })} placeholder="name, cores, disks…" />
        </label>
        {!b?.hidden && (
          <span className="legend">
            {parts.map(([tone, word]) => (
              <span key={tone}>
                <i className={`swatch stack-${tone}`} /> {word}
              </span>
            ))}
          </span>
        )}
        <span className="quiet counted" role="status">{`${shown.length} of ${live.rows.size}`}</span>
      </form>
      {b?.hidden && <p className="quiet">How many hosts there are and can be had is your provider's to see.</p>}
      {shown.map((s) => (
        <Size key={s.key} s={s} hidden={b?.hidden} q={q} />
      ))}
      {!shown.length && <p className="quiet">{live.rows.size ? 'None is like that.' : 'There are no sizes yet: `ingot size suggest HOST` makes one of a host.'}</p>}
      {b?.without?.length && !words.length ? (
        <section className="card size" aria-label="Hosts of no size">
          <h2>Hosts of no size</h2>
          <p className="quiet">No machine that asks by size gets one of these: `ingot size match HOST` says why.</p>
          <Counts rows={b.without} label="Hosts of no size, by partition" />
        </section>
      ) : null}
    </Frame>
  )
}

function Size({ s, hidden, q }: { s: SizeRow; hidden?: boolean; q: URLSearchParams }) {
  const made: [string, string | undefined][] = [
    ['cores', s.cores],
    ['memory', s.memory],
    ['disks', s.disks || 'no'],
    ['GPUs', s.gpus || 'no'],
  ]
  return (
    <section className="card size" aria-label={`Size ${s.key}`}>
      <header>
        <h2>{s.key}</h2>
        <State ready={s.ready} reason={s.reason} />
        <span className="quiet">{s.description}</span>
        <a href={keeping(`/machines?size=${encodeURIComponent(s.key)}`, q)}>Machines of it</a>
      </header>
      <p className="made">
        {made.map(([what, value]) => (
          <span key={what}>
            <b>{value}</b> {what}
          </span>
        ))}
        {s.images?.length ? <span>only {s.images.join(', ')}</span> : null}
      </p>
      {s.why && <p className="alert">{s.why}</p>}
      {s.ambiguous ? <p className="alert">{s.ambiguous} hosts match another size, too, and have none: {s.overlaps?.map((o) => o.size).join(', ')}.</p> : null}
      {!hidden && (s.capacity?.length ? <Counts rows={s.capacity} label={`Capacity of ${s.key}`} /> : <p className="quiet">No host is of it.</p>)}
      {s.reservations?.length ? (
        <>
          <h3>Reserved</h3>
          <Table
            label={`Reservations of ${s.key}`}
            head={['For', 'Reservation', 'Partitions', 'Used', 'Could be had']}
            rows={s.reservations.map((r) => [r.for, r.name, r.partitions.join(', '), `${r.used} of ${r.amount}`, r.available])}
          />
        </>
      ) : null}
    </section>
  )
}
