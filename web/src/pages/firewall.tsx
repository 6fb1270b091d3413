import '../operator.css'
import { type ReactNode, useState } from 'react'
import type { PageProps } from '../app'
import { post, useLive } from '../live'
import { Fields, Frame, Table } from '../parts'
import { setQuery } from '../router'
import { Since, useNow } from '../words'
import { Enforced, type FirewallRow, InMesh, phases, Ready } from './firewalls'

interface Rule {
  name: string
  protocol: string
  ports?: string[]
  from?: string[]
  to?: string[]
  toFQDNs?: string[]
  family?: string
  newConnectionsPerSecond?: number
  comment?: string
  state: string
}

interface Sum {
  what: string
  packets: number
  flows: number
}

interface Half {
  name: string
  host?: string
  answers?: boolean
  generation?: number
  problem?: string
  lastSeen?: string
}

interface Replaced {
  phase: string
  says: string
  reason?: string
  since: string
  began: string
  why?: string
  cancelled?: boolean
  old: Half
  new: Half
}

interface Body {
  row: FirewallRow
  replacement?: Replaced
  image: string
  mayReplace: boolean
  refusal?: string
  problem?: string
  digest?: string
  dnsServers?: string[]
  networks: { network: string; inside: boolean; prefixes: string[]; addresses?: string[]; card?: string; masquerade?: string[]; oneToOne?: string[] }[]
  rules: Rule[]
  names: { name: string; addresses?: string[]; until?: string; answers: number; refused: number; problem?: string }[]
  drops: { from: string; to: string; wire: string; packets: number; by: string; last: string }[]
  refusedBy: Sum[]
  refusedFrom: Sum[]
  conditions: { type: string; status: string; reason: string; message: string }[] | null
  meshHidden?: boolean
  packet?: { from: string; to: string; protocol: string; port?: string }
  answer?: { verdict: string; by: string; leavesFrom?: string; leavesTo?: string; note?: string; fix?: string }
  wrong?: string
}

// What the machine's words for a refusal mean to people.
const refusedBy: Record<string, string> = {
  'egress-default': 'no egress rule allows it',
  'ingress-default': 'no ingress rule allows it',
  'no-network': 'an address of no network here',
  spoofed: 'came in by the wrong network',
  misrouted: 'would leave by the wrong network',
  transit: 'neither end is inside',
  invalid: 'of no connection',
}

const conditions: Record<string, string> = { MachineReady: 'Machine', Resolved: 'Networks', RulesApplied: 'Rules', SourcesChecked: 'Sources', Replaced: 'Replacement' }

const tones: Record<string, [string, string]> = { enforced: ['✓', 'good'], waiting: ['…', 'warn'] }

export function Firewall({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const [, , namespace, encoded] = place.pathname.split('/')
  const asked = new URLSearchParams({ namespace: decodeURIComponent(namespace ?? '') })
  for (const k of ['from', 'to', 'protocol', 'port']) if (q.get(k)) asked.set(k, q.get(k)!)
  const live = useLive<Body, never>(`${place.pathname}?${asked}`, onLogout)
  const now = useNow(5000)
  const b = live.body
  return (
    <Frame title={decodeURIComponent(encoded ?? '')} live={live}>
      {b && (
        <>
          <State b={b} now={now} />
          {b.replacement && <Replacing of={b.replacement} now={now} />}
          {b.mayReplace && <Replace key={b.replacement?.new.name ?? ''} b={b} />}
          <h2>Networks</h2>
          <Networks of={b} />
          <h2>Rules</h2>
          <Rules of={b.rules} />
          <h2>What becomes of a packet</h2>
          <Ask b={b} q={q} />
          {b.rules.some((r) => r.toFQDNs?.length) && (
            <>
              <h2>Names</h2>
              <Names of={b.names} now={now} />
            </>
          )}
          <h2>Refused lately</h2>
          <Drops b={b} now={now} />
        </>
      )}
    </Frame>
  )
}

function State({ b, now }: { b: Body; now: number }) {
  const f = b.row
  const failing = (b.conditions ?? []).filter((c) => c.status !== 'True' && c.type !== 'Ready' && c.message !== f.why)
  return (
    <section className="card" aria-label="State">
      <p className="lead">
        <Ready of={f} /> <Enforced of={f} /> {f.why}
      </p>
      <Fields
        of={[
          ['Project', f.namespace],
          ['Not enforced', b.problem],
          ['Seen', f.lastSeen ? <Since at={f.lastSeen} now={now} /> : 'never'],
          ['Host', f.host && <a href={`/hosts/${f.host}`}>{f.host}</a>],
          [
            'Mesh',
            <>
              <InMesh member={f.mesh} hidden={b.meshHidden} /> {f.mesh?.addresses?.join(' ')} {f.mesh?.tags.length ? `as ${f.mesh.tags.join(', ')}` : ''}{' '}
              {f.mesh?.version && <span className="quiet">{f.mesh.version}</span>}
            </>,
          ],
          ['DNS', b.rules.some((r) => r.toFQDNs?.length) && `answers clients inside, asks ${b.dnsServers?.join(' ') || 'nobody yet'}`],
          ['Ruleset', b.digest && <code>{b.digest.slice(0, 16)}…</code>],
          ...failing.map((c): [string, ReactNode] => [conditions[c.type] ?? c.type, `${c.reason}: ${c.message}`]),
        ]}
      />
    </section>
  )
}

// Replacing is how far a replacement is, with both machines.
function Replacing({ of: r, now }: { of: Replaced; now: number }) {
  const half = (what: string, m: Half) => (
    <section aria-label={what}>
      <h3>{what}</h3>
      <p className="lead">
        {m.name} {m.answers && <span className="badge good">✓ answers</span>}
      </p>
      <Fields
        of={[
          ['Host', m.host && <a href={`/hosts/${m.host}`}>{m.host}</a>],
          ['Rules', m.generation ? `generation ${m.generation}` : 'none yet'],
          ['Why', m.problem],
          ['Seen', m.lastSeen ? <Since at={m.lastSeen} now={now} /> : 'never'],
        ]}
      />
    </section>
  )
  return (
    <section className="card replacing" aria-label="Replacement">
      <p className="lead">
        <span className="badge warn">⇄ {phases[r.phase] ?? r.phase}</span> for <Since at={r.since} now={now} age />
        {r.cancelled && ', cancelled'}
      </p>
      <p>{r.says}</p>
      <Fields
        of={[
          ['Began', <Since at={r.began} now={now} />],
          ['Asked by', r.why],
        ]}
      />
      <div className="pairs">
        {half('Earlier machine', r.old)}
        {half('New machine', r.new)}
      </div>
    </section>
  )
}

// Replace asks for another machine, or for the end of that.
function Replace({ b }: { b: Body }) {
  const [open, show] = useState(false)
  const [said, say] = useState('')
  const cancel = !!b.replacement
  const ask = async (what: Record<string, unknown>) => {
    const a = await post('/firewalls', { firewall: `${b.row.namespace}/${b.row.name}`, ...what })
    say(a.ok ? (cancel ? 'The replacement is cancelled.' : 'Another machine is asked for.') : (a.said as { error: string }).error)
    if (a.ok) show(false)
  }
  return (
    <div className="bulk" role="group" aria-label="Actions">
      {!open && !b.replacement?.cancelled && (
        <button type="button" className={cancel ? 'danger' : ''} disabled={!!b.refusal} onClick={() => show(true)}>
          {cancel ? 'Cancel the replacement' : 'Replace the machine'}
        </button>
      )}
      {b.refusal && <span className="quiet">{b.refusal}</span>}
      {open && cancel && (
        <form
          className="sure"
          onSubmit={(e) => {
            e.preventDefault()
            void ask({ cancel: true })
          }}
        >
          <p>
            {b.replacement!.new.name} is given back and wiped; {b.replacement!.old.name} serves on.
          </p>
          <button type="submit" className="danger" autoFocus>
            Give it back
          </button>
          <button type="button" onClick={() => show(false)}>
            Leave it
          </button>
        </form>
      )}
      {open && !cancel && (
        <form
          className="sure"
          onSubmit={(e) => {
            e.preventDefault()
            const form = new FormData(e.currentTarget)
            void ask({ reason: String(form.get('reason')).trim(), image: String(form.get('image')).trim() })
          }}
        >
          <label>
            Why
            <input name="reason" required autoFocus maxLength={200} autoComplete="off" />
          </label>
          <label>
            Image, where it is to be another
            <input name="image" placeholder={b.image} maxLength={200} autoComplete="off" autoCapitalize="none" spellCheck={false} />
          </label>
          <button type="submit">Replace</button>
          <button type="button" onClick={() => show(false)}>
            Leave it
          </button>
          <p className="quiet">Another machine is installed while this one serves; once it is healthy it takes the addresses over, which interrupts for seconds, and this one is wiped.</p>
        </form>
      )}
      <div role="status" className="said">
        {said}
      </div>
    </div>
  )
}

function lines(all?: string[], none: ReactNode = <span className="quiet">any</span>) {
  if (!all?.length) return none
  return (
    <span className="lines">
      {all.map((x) => (
        <span key={x}>{x}</span>
      ))}
    </span>
  )
}

function Networks({ of: b }: { of: Body }) {
  if (!b.networks.length) return <p className="quiet">Not resolved yet: {b.row.networks.join(', ')}.</p>
  return (
    <div className="dense nets">
      <Table
        label="Networks"
        head={['Network', 'Side', 'Behind it', 'Its own addresses', 'Translation', 'Card']}
        rows={b.networks.map((n) => [
          n.network.replace(`${b.row.namespace}/`, ''),
          n.inside ? 'inside' : 'outside',
          lines(n.prefixes),
          lines(n.addresses, ''),
          lines([...(n.masquerade ?? []).map((a) => `inside goes out as ${a}`), ...(n.oneToOne ?? [])], <span className="quiet">none</span>),
          n.card,
        ])}
      />
    </div>
  )
}

function Rules({ of }: { of: Rule[] }) {
  return (
    <div className="dense rules">
      <Table
        label="Rules"
        head={['Rule', 'State', 'Protocol', 'From', 'To', 'Limit', 'Comment']}
        rows={[
          ...of.map((r) => {
            const [icon, tone] = tones[r.state] ?? ['·', 'quiet']
            return [
              r.name,
              <span className={`badge ${tone}`}>
                <span aria-hidden="true">{icon}</span> {r.state}
              </span>,
              [r.protocol, r.ports?.join(', '), r.family].filter(Boolean).join(' '),
              lines(r.from),
              lines(r.toFQDNs?.length ? r.toFQDNs : r.to),
              r.newConnectionsPerSecond ? `${r.newConnectionsPerSecond}/s` : '',
              r.comment,
            ]
          }),
          [<span className="quiet">everything else</span>, <span className="quiet">is dropped</span>, '', '', '', '', ''],
        ]}
      />
    </div>
  )
}

function Ask({ b, q }: { b: Body; q: URLSearchParams }) {
  const a = b.answer
  return (
    <>
      <form
        className="ask"
        aria-label="What becomes of a packet"
        key={q.toString()}
        onSubmit={(e) => {
          e.preventDefault()
          const said = new FormData(e.currentTarget)
          setQuery(Object.fromEntries(['from', 'to', 'protocol', 'port'].map((k) => [k, String(said.get(k) ?? '').trim()])))
        }}
      >
        <label>
          From
          <input name="from" required defaultValue={q.get('from') ?? ''} placeholder="10.0.4.7" autoComplete="off" spellCheck={false} />
        </label>
        <label>
          To
          <input name="to" required defaultValue={q.get('to') ?? ''} placeholder="address or name" autoComplete="off" spellCheck={false} />
        </label>
        <label>
          Protocol
          <select name="protocol" defaultValue={q.get('protocol') ?? 'TCP'}>
            {['TCP', 'UDP', 'SCTP', 'ICMP'].map((p) => (
              <option key={p}>{p}</option>
            ))}
          </select>
        </label>
        <label>
          Port
          <input name="port" className="short" inputMode="numeric" defaultValue={q.get('port') ?? ''} placeholder="443" autoComplete="off" />
        </label>
        <button type="submit">Explain</button>
      </form>
      <div role="status">
        {b.packet && b.wrong && <p className="verdict drop">{b.wrong}</p>}
        {b.packet && a && (
          <div className={`verdict ${a.verdict === 'accept' ? '' : 'drop'}`}>
            <p>
              <b>{a.verdict === 'accept' ? '✓ passes' : '! is dropped'}</b>, by {a.by}
            </p>
            {a.leavesFrom && (
              <p>
                leaves as {a.leavesFrom} → {a.leavesTo}
              </p>
            )}
            {a.note && <p>{a.note}</p>}
            {a.fix && <p>What helps: {a.fix}</p>}
          </div>
        )}
      </div>
      <p className="quiet">The rules of the object are asked; limits are taken as not spent.</p>
    </>
  )
}

function Names({ of, now }: { of: Body['names']; now: number }) {
  if (!of.length) return <p className="quiet">No client has asked for one lately.</p>
  return (
    <div className="dense">
      <Table
        label="Names"
        head={['Name', 'Addresses that may be connected to', 'Until', 'Answered', 'Refused', 'Why']}
        rows={of.map((n) => [n.name, lines(n.addresses, <span className="quiet">none</span>), n.until && <Since at={n.until} now={now} />, n.answers.toLocaleString(), n.refused.toLocaleString(), n.problem])}
      />
    </div>
  )
}

function Shares({ label, of }: { label: string; of: [string, Sum][] }) {
  const most = Math.max(1, ...of.map(([, s]) => s.packets))
  return (
    <section>
      <h3>{label}</h3>
      <ul className="shares" aria-label={label}>
        {of.slice(0, 8).map(([what, s]) => (
          <li key={s.what}>
            <span className="what">{what}</span>
            <meter min={0} max={most} value={s.packets} aria-label={`${s.packets} packets`} />
            <span className="n">
              {s.packets.toLocaleString()} · {s.flows} {s.flows === 1 ? 'flow' : 'flows'}
            </span>
          </li>
        ))}
      </ul>
      {of.length > 8 && <p className="quiet">and {of.length - 8} more</p>}
    </section>
  )
}

function Drops({ b, now }: { b: Body; now: number }) {
  if (!b.drops.length) return <p className="quiet">Nobody: the machine tells twice a minute.</p>
  return (
    <>
      <div className="pairs">
        <Shares label="By what" of={b.refusedBy.map((s) => [refusedBy[s.what] ?? s.what, s])} />
        <Shares label="By source" of={b.refusedFrom.map((s) => [s.what, s])} />
      </div>
      <h3>The latest</h3>
      <div className="dense drops">
        <Table
          label="Drops"
          head={['Last', 'From', 'To', 'What', 'Packets', 'Refused by']}
          rows={b.drops.map((d) => [
            <Since at={d.last} now={now} />,
            d.from,
            d.to,
            d.wire,
            d.packets.toLocaleString(),
            <>
              <code>{d.by}</code> <span className="quiet">{refusedBy[d.by]}</span>
            </>,
          ])}
        />
      </div>
    </>
  )
}
