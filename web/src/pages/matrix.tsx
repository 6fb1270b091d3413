import type { PageProps } from '../app'
import { useLive } from '../live'
import { Frame, Table } from '../parts'
import { setQuery } from '../router'

interface Cell {
  name: string
  state: string
  how?: string
  bound?: string
}

interface Flow {
  key: string
  flow: string
  from: string
  to: string
  fromZone: string
  toZone: string
  wire: string
  purpose: string
  notes?: string
  feature?: string
  cells: Cell[]
}

interface Body {
  title: string
  roles: { name: string; title: string; purpose?: string; outside?: boolean }[]
}

const states: Record<string, [string, string, string]> = {
  Holds: ['✓', 'holds', 'good'],
  Excepted: ['!', 'exception', 'warn'],
}

function Security({ cell }: { cell: Cell }) {
  const [icon, word, tone] = states[cell.state] ?? ['?', 'unknown', 'bad']
  return (
    <div className="cell">
      <span className={`badge ${tone}`}>
        <span aria-hidden="true">{icon}</span> {word}
      </span>
      <small>{cell.how}</small>
      {cell.bound && <small className="quiet">Within: {cell.bound}</small>}
    </div>
  )
}

// touches: with one role all that it speaks, with two what they speak to each other.
function touches(f: Flow, a: string, b: string): boolean {
  const is = (end: string, role: string) => role === '' || end === role
  return (is(f.from, a) && is(f.to, b)) || (is(f.from, b) && is(f.to, a))
}

export function Matrix({ place, onLogout }: PageProps) {
  const live = useLive<Body, Flow>('/matrix', onLogout)
  const a = place.searchParams.get('role') ?? ''
  const b = place.searchParams.get('with') ?? ''
  const only = place.searchParams.get('only') ?? ''
  const roles = live.body?.roles ?? []
  const title = (name: string) => roles.find((r) => r.name === name)?.title ?? (name === '*' ? 'Anybody' : name)
  const all = [...live.rows.values()]
  const shown = all.filter((f) => touches(f, a, b) && (only !== 'exceptions' || f.cells.some((c) => c.state !== 'Holds')))
  const pick = (label: string, key: string, value: string) => (
    <label>
      {label}
      <select value={value} onChange={(e) => setQuery({ [key]: e.target.value })}>
        <option value="">any</option>
        {roles.map((r) => (
          <option key={r.name} value={r.name}>
            {r.title}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <Frame title="Communication matrix" live={live}>
      <div className="filters">
        {pick('Role', 'role', a)}
        {pick('and', 'with', b)}
        <label>
          Show
          <select value={only} onChange={(e) => setQuery({ only: e.target.value })}>
            <option value="">all flows</option>
            <option value="exceptions">flows with exceptions</option>
          </select>
        </label>
      </div>
      <p className="quiet" role="status">
        {shown.length} of {all.length} flows of Ingot itself, as declared. What hosts enforce: <code>ingot matrix verify --cluster</code>
      </p>
      {(a || b) && shown.length > 0 && <Drawing flows={shown} title={title} pick={(role) => setQuery(a ? { with: role } : { role })} center={a || b} />}
      {shown.length > 0 ? (
        <Table
          label="Flows"
          head={['Row', 'From', 'To', 'Wire', 'Purpose', 'Confidential', 'Integrity', 'Authenticated', 'Trusted']}
          rows={shown.map((f) => [
            f.key,
            <End role={title(f.from)} zone={f.fromZone} />,
            <End role={title(f.to)} zone={f.toZone} />,
            f.wire,
            <div className="cell">
              {f.purpose}
              {f.feature && <small className="quiet">Where {f.feature} is on</small>}
            </div>,
            ...f.cells.map((c) => <Security cell={c} />),
          ])}
        />
      ) : (
        <p className="quiet">No such flow: it is not opened, and a firewall drops it.</p>
      )}
    </Frame>
  )
}

function End({ role, zone }: { role: string; zone: string }) {
  return (
    <div className="cell">
      {role}
      <small className="quiet">{zone === '*' ? 'anywhere' : zone}</small>
    </div>
  )
}

// Drawing has one line per peer: how many flows go out, how many come in; a press picks the peer.
function Drawing({ flows, title, pick, center }: { flows: Flow[]; title: (name: string) => string; pick: (role: string) => void; center: string }) {
  const peers = new Map<string, { out: number; in: number }>()
  for (const f of flows) {
    const peer = f.from === center ? f.to : f.from
    const n = peers.get(peer) ?? { out: 0, in: 0 }
    if (f.from === center) n.out++
    else n.in++
    peers.set(peer, n)
  }
  return (
    <ul className="peers" aria-label={`Whom ${title(center)} speaks with`}>
      {[...peers].map(([peer, n]) => (
        <li key={peer}>
          <b>{title(center)}</b>
          <span className="wire">
            {n.out > 0 && <span>{n.out} →</span>}
            {n.in > 0 && <span>← {n.in}</span>}
          </span>
          {peer === '*' ? <span>{title(peer)}</span> : <button type="button" onClick={() => pick(peer)}>{title(peer)}</button>}
        </li>
      ))}
    </ul>
  )
}
