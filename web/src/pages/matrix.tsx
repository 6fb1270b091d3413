import type { PageProps } from '../app'
import { keeping, useLive } from '../live'
import { Fields, Frame } from '../parts'
import { setQuery } from '../router'
import { Since, useNow } from '../words'

interface Cell {
  name: string
  state: string
  how?: string
  bound?: string
}

interface Part {
  state: string
  why?: string
  since?: string
  last?: string
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
  live?: Part & { hosts?: (Part & { host: string })[] }
}

interface Body {
  name: string
  title: string
  own: string
  site?: string[]
  hidden?: boolean
  hosts: number
  roles: { name: string; title: string; purpose?: string; outside?: boolean }[]
}

const anybody = '*'

const states: Record<string, [string, string, string]> = {
  Holds: ['✓', 'holds', 'good'],
  Excepted: ['!', 'exception', 'warn'],
}

const lives: Record<string, [string, string]> = { seen: ['✓', 'good'], unseen: ['·', 'quiet'], violated: ['!', 'bad'], 'not enforced': ['○', 'warn'] }

// When says since when, or when last; hosts tell it to the minute.
function When({ of, now }: { of: Part; now: number }) {
  if (of.last) return <>last <Since at={of.last} now={now} /></>
  if (of.since) return <>in force for <Since at={of.since} now={now} age /></>
  return null
}

function Live({ of, now }: { of: Part; now: number }) {
  const [icon, tone] = lives[of.state] ?? ['?', 'quiet']
  return (
    <>
      <span className={`badge ${tone}`}>
        <span aria-hidden="true">{icon}</span> {of.state}
      </span>{' '}
      <small className="quiet">
        <When of={of} now={now} />
      </small>
    </>
  )
}

const meaning = (c: Cell) => states[c.state] ?? ['?', 'unknown', 'bad']

// FlowLine is one row of the matrix; what each security cell says opens below it.
function FlowLine({ flow: f, title, now, told }: { flow: Flow; title: (name: string) => string; now: number; told: boolean }) {
  return (
    <li>
      <span className="id">{f.key}</span>
      <span className="ends">
        <End role={title(f.from)} zone={f.fromZone} /> <span aria-label="to">→</span> <End role={title(f.to)} zone={f.toZone} />
      </span>
      <span className="wire">{f.wire}</span>
      {told && <span className="live">{f.live && <Live of={f.live} now={now} />}</span>}
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
            ['State', told && f.live?.why],
            ['Hosts', told && f.live?.hosts && <Hosts of={f.live.hosts} now={now} />],
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

function Hosts({ of, now }: { of: (Part & { host: string })[]; now: number }) {
  return (
    <ul className="parts">
      {of.map((h) => (
        <li key={h.host}>
          <b>{h.host}</b> <Live of={h} now={now} /> {h.why}
        </li>
      ))}
    </ul>
  )
}

// touches: with one role all that it speaks, with two what they speak to each other. A row of anybody's is everybody's.
function touches(f: Flow, a: string, b: string): boolean {
  const is = (end: string, role: string) => role === '' || end === role || end === anybody
  return (is(f.from, a) && is(f.to, b)) || (is(f.from, b) && is(f.to, a))
}

export function Matrix({ place, onLogout }: PageProps) {
  const live = useLive<Body, Flow>(keeping('/matrix', place.searchParams, 'matrix'), onLogout)
  const now = useNow(10_000)
  const a = place.searchParams.get('role') ?? ''
  const b = place.searchParams.get('with') ?? ''
  const only = place.searchParams.get('only') ?? ''
  const roles = live.body?.roles ?? []
  const title = (name: string) => roles.find((r) => r.name === name)?.title ?? (name === anybody ? 'Anybody' : name)
  const all = [...live.rows.values()]
  const shown = all.filter((f) => touches(f, a, b) && (!only || (only === 'exceptions' ? f.cells.some((c) => c.state !== 'Holds') : f.live?.state === only)))
  // Where no host has rules of this matrix, each flow would say the same.
  const told = !!live.body && live.body.hosts > 0
  const names = live.body ? [live.body.own, ...(live.body.site ?? []).filter((n) => n !== live.body!.own)] : []
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
        {names.length > 1 && (
          <label>
            Matrix
            <select value={live.body!.name} onChange={(e) => setQuery({ matrix: e.target.value === live.body!.own ? '' : e.target.value, role: '', with: '', only: '' })}>
              {names.map((n) => (
                <option key={n} value={n}>
                  {n === live.body!.own ? 'Ingot itself' : n}
                </option>
              ))}
            </select>
          </label>
        )}
        {pick('Role', 'role', a)}
        {pick('and', 'with', b)}
        <label>
          Show
          <select value={only} onChange={(e) => setQuery({ only: e.target.value })}>
            <option value="">all flows</option>
            <option value="exceptions">flows with exceptions</option>
            {(told || only) && Object.keys(lives).map((s) => <option key={s}>{s}</option>)}
          </select>
        </label>
      </div>
      <p className="quiet" role="status">
        {shown.length} of {all.length} flows of {live.body?.name === live.body?.own ? 'Ingot itself' : live.body?.title || live.body?.name}
        {told ? <Counts of={all} hosts={live.body!.hosts} /> : live.body?.hidden ? ', as declared: what hosts enforce is not yours to see.' : ', as declared: no host enforces this matrix.'}
      </p>
      {(a || b) && shown.length > 0 && <Drawing flows={shown} title={title} pick={(role) => setQuery(a ? { with: role } : { role })} center={a || b} />}
      {shown.length > 0 ? (
        <ul className={told ? 'flows told' : 'flows'} aria-label="Flows">
          {shown.map((f) => (
            <FlowLine key={f.key} flow={f} title={title} now={now} told={told} />
          ))}
        </ul>
      ) : (
        <p className="quiet">{only === 'exceptions' ? 'No flow with an exception here.' : only ? `No flow here is ${only}.` : 'No such flow: it is not opened, and a firewall drops it.'}</p>
      )}
    </Frame>
  )
}

// Counts says how many flows are in each state.
function Counts({ of, hosts }: { of: Flow[]; hosts: number }) {
  const n = (state: string) => of.filter((f) => f.live?.state === state).length
  return (
    <>
      , enforced by {hosts} {hosts === 1 ? 'host' : 'hosts'}: {Object.keys(lives).map((s) => `${n(s)} ${s}`).join(', ')}
    </>
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
