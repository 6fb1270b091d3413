import type { PageProps } from '../app'
import { useLive } from '../live'
import { Fields, Frame } from '../parts'
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
  identity?: string
  serverIdentity?: string
  cells: Cell[]
}

interface Body {
  title: string
  roles: { name: string; title: string; purpose?: string; outside?: boolean }[]
}

const anybody = '*'

const states: Record<string, [string, string, string]> = {
  Holds: ['✓', 'holds', 'good'],
  Excepted: ['!', 'exception', 'warn'],
}

const meaning = (c: Cell) => states[c.state] ?? ['?', 'unknown', 'bad']

// FlowLine is one row of the matrix; what each security cell says opens below it.
function FlowLine({ flow: f, title }: { flow: Flow; title: (name: string) => string }) {
  return (
    <li>
      <span className="id">{f.key}</span>
      <span className="ends">
        <End role={title(f.from)} zone={f.fromZone} /> <span aria-label="to">→</span> <End role={title(f.to)} zone={f.toZone} />
      </span>
      <span className="wire">{f.wire}</span>
      <details>
        <summary>
          <span className="purpose">{f.purpose}</span>
          <span className="marks">
            {f.cells.map((c) => {
              const [icon, word, tone] = meaning(c)
              return (
                <span key={c.name} className={`badge ${tone}`}>
                  <span aria-hidden="true">{icon}</span> {c.name}
                  <span className="spoken">: {word}</span>
                </span>
              )
            })}
          </span>
        </summary>
        <Fields
          of={[
            ...f.cells.map((c): [string, string] => [c.name, `${meaning(c)[1]}: ${c.how ?? ''}${c.bound ? ` Within: ${c.bound}` : ''}`]),
            ['Client is', f.identity],
            ['Server is', f.serverIdentity],
            ['Only where', f.feature && `${f.feature} is on`],
            ['Notes', f.notes],
          ]}
        />
      </details>
    </li>
  )
}

// touches: with one role all that it speaks, with two what they speak to each other. A row of anybody's is everybody's.
function touches(f: Flow, a: string, b: string): boolean {
  const is = (end: string, role: string) => role === '' || end === role || end === anybody
  return (is(f.from, a) && is(f.to, b)) || (is(f.from, b) && is(f.to, a))
}

export function Matrix({ place, onLogout }: PageProps) {
  const live = useLive<Body, Flow>('/matrix', onLogout)
  const a = place.searchParams.get('role') ?? ''
  const b = place.searchParams.get('with') ?? ''
  const only = place.searchParams.get('only') ?? ''
  const roles = live.body?.roles ?? []
  const title = (name: string) => roles.find((r) => r.name === name)?.title ?? (name === anybody ? 'Anybody' : name)
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
    <Frame title="Communication matrix" live={live} still>
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
        <ul className="flows" aria-label="Flows">
          {shown.map((f) => (
            <FlowLine key={f.key} flow={f} title={title} />
          ))}
        </ul>
      ) : (
        <p className="quiet">{only === 'exceptions' ? 'No flow with an exception here.' : 'No such flow: it is not opened, and a firewall drops it.'}</p>
      )}
    </Frame>
  )
}

function End({ role, zone }: { role: string; zone: string }) {
  return (
    <span>
      <b>{role}</b> <small className="quiet">{zone === anybody ? 'anywhere' : zone}</small>
    </span>
  )
}

// Drawing has one line per peer: how many flows go out, how many come in; a press picks the peer.
function Drawing({ flows, title, pick, center }: { flows: Flow[]; title: (name: string) => string; pick: (role: string) => void; center: string }) {
  const peers = new Map<string, { out: number; in: number }>()
  for (const f of flows) {
    const out = f.from === center || (f.from === anybody && f.to !== center)
    const peer = out ? f.to : f.from
    const n = peers.get(peer) ?? { out: 0, in: 0 }
    if (out) n.out++
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
          {peer === anybody || peer === center ? <span>{title(peer)}</span> : <button type="button" onClick={() => pick(peer)}>{title(peer)}</button>}
        </li>
      ))}
    </ul>
  )
}
