import '../operator.css'
import type { PageProps } from '../app'
import { useLive } from '../live'
import { Frame, Table } from '../parts'
import { setQuery } from '../router'
import { Since, useNow } from '../words'

export interface MeshMember {
  name: string
  addresses?: string[]
  tags: string[]
  version?: string
  online: boolean
  lastSeen?: string
}

export interface FirewallRow {
  namespace: string
  name: string
  ready: string
  reason?: string
  why?: string
  rules: number
  enforced: string
  current: boolean
  lastSeen?: string
  refused: number
  refusals: number
  networks: string[]
  host?: string
  mesh?: MeshMember
  replacing?: string
}

// What the phases of a replacement mean to people.
export const phases: Record<string, string> = {
  Preparing: 'being prepared',
  Fencing: 'earlier machine stops',
  TakingOver: 'taking over',
  Returning: 'going back',
  Abandoning: 'given up',
  Releasing: 'earlier machine is wiped',
}

export function Ready({ of: f }: { of: FirewallRow }) {
  const [icon, tone] = f.ready === 'True' ? ['✓', 'good'] : f.ready === 'False' ? ['!', 'bad'] : ['·', 'quiet']
  return (
    <span className={`badge ${tone}`} title={f.why}>
      <span aria-hidden="true">{icon}</span> {f.reason || (f.ready === 'Unknown' ? 'new' : f.ready)}
    </span>
  )
}

export function Enforced({ of: f }: { of: FirewallRow }) {
  return (
    <span className={`badge ${f.current ? 'good' : 'warn'}`}>
      <span aria-hidden="true">{f.current ? '✓' : '…'}</span> {f.enforced}
    </span>
  )
}

export function InMesh({ member, hidden }: { member?: MeshMember; hidden?: boolean }) {
  if (hidden) return <span className="quiet">not yours to see</span>
  if (!member) return <span className="quiet">not in it</span>
  return (
    <span className={`badge ${member.online ? 'good' : 'warn'}`}>
      <span aria-hidden="true">{member.online ? '●' : '○'}</span> {member.online ? 'online' : 'offline'}
    </span>
  )
}

export function Firewalls({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const namespace = q.get('namespace')
  const live = useLive<{ meshHidden?: boolean }, FirewallRow>(namespace ? `/firewalls?namespace=${encodeURIComponent(namespace)}` : '/firewalls', onLogout)
  const now = useNow(5000)
  const words = (q.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const only = q.get('only') ?? ''
  const all = [...live.rows.values()].sort((a, b) => `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`))
  const shown = all.filter((f) => {
    const text = [f.namespace, f.name, f.host, f.reason, ...f.networks].join(' ').toLowerCase()
    if (!words.every((w) => text.includes(w))) return false
    return only === 'stale' ? !f.current : only === 'refusing' ? f.refused > 0 : only === 'replacing' ? !!f.replacing : only === 'unready' ? f.ready !== 'True' : true
  })
  return (
    <Frame title="Firewalls" live={live}>
      <form className="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <label>
          Search
          <input type="search" value={q.get('q') ?? ''} onChange={(e) => setQuery({ q: e.target.value })} placeholder="name, network, host" />
        </label>
        <label>
          Show
          <select value={only} onChange={(e) => setQuery({ only: e.target.value })}>
            <option value="">all</option>
            <option value="unready">not ready</option>
            <option value="stale">earlier rules enforced</option>
            <option value="replacing">machine being replaced</option>
            <option value="refusing">refused somebody lately</option>
          </select>
        </label>
      </form>
      <p className="quiet" role="status">
        {shown.length} of {all.length} firewalls
      </p>
      {shown.length > 0 ? (
        <div className="dense">
          <Table
            label="Firewalls"
            head={['Firewall', 'State', 'Rules', 'Enforced', 'Refused lately', 'Networks', 'Mesh', 'Host', 'Seen']}
            rows={shown.map((f) => [
              <a href={`/firewalls/${f.namespace}/${f.name}`}>
                <span className="quiet">{f.namespace}/</span>
                {f.name}
              </a>,
              <>
                <Ready of={f} /> {f.replacing && <span className="badge warn">⇄ replaced: {phases[f.replacing] ?? f.replacing}</span>}
              </>,
              f.rules,
              <Enforced of={f} />,
              f.refused ? `${f.refused.toLocaleString()} packets, ${f.refusals} flows` : <span className="quiet">none</span>,
              f.networks.map((n) => n.replace(`${f.namespace}/`, '')).join(', '),
              <InMesh member={f.mesh} hidden={live.body?.meshHidden} />,
              f.host ? <a href={`/hosts/${f.host}`}>{f.host.replace(/^.*\//, '')}</a> : '',
              f.lastSeen ? <Since at={f.lastSeen} now={now} /> : <span className="quiet">never</span>,
            ])}
          />
        </div>
      ) : all.length ? (
        <p className="quiet">None is like that.</p>
      ) : (
        <p className="card">
          There is no firewall. One is a machine between networks that forwards what its rules allow and nothing else: write a Firewall and give it to <code>ingot apply</code>.
        </p>
      )}
    </Frame>
  )
}
