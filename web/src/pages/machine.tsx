import type { PageProps } from '../app'
import { Console } from '../console'
import { type Column, List } from '../list'
import { keeping, useLive } from '../live'
import { Fields, Frame, Table } from '../parts'
import { Since, useNow } from '../words'
import { type MachineRow, Phase } from './machines'

interface Condition {
  type: string
  status: string
  reason: string
  message?: string
  lastTransitionTime: string
}

interface Body {
  row: MachineRow
  mayHosts?: boolean
  console?: 'type' | 'look'
  explain: { hidden?: boolean; host?: string; why?: string; reason?: string; fix?: string; permanent?: boolean }
  events?: { at: string; kind: string; reason: string; message: string; count: number }[]
  spec: {
    image: string
    host?: { namespace: string; name: string }
    failureDomain?: string
    placementTags?: string[]
    tolerations?: { key: string; value?: string }[]
    filesystemLayout?: string
    online?: boolean
    sshPublicKeys?: string[]
    networks?: { name: string; namespace: string; addresses?: string[] }[]
    installRequest?: string
  }
  status: {
    image?: { name: string; digest?: string }
    hostname?: string
    sshHostKey?: string
    installedAt?: string
    addresses?: { network: string; ip: string; address: string; prefixLength?: number; gateway?: string; dnsServers?: string[] }[]
    nics?: { network: string; macAddress: string; vlan?: number; name?: string; switch?: string; port?: string }[]
    conditions?: Condition[]
  }
}

interface Verdict {
  key: string
  verdict: string
  rank: number
  why?: string
}

const verdicts: Record<string, [string, string, string]> = { chosen: ['★', 'this one', 'good'], fits: ['✓', 'would do', 'work'], no: ['–', 'no', 'quiet'] }

const columns = (mayHosts?: boolean): Column<Verdict>[] => [
  { key: 'host', title: 'Host', width: 'minmax(8rem, 14rem)', text: (v) => v.key, cell: (v) => (mayHosts ? <a href={`/hosts/${v.key}`}>{v.key}</a> : v.key) },
  {
    key: 'verdict',
    title: 'Verdict',
    width: '7rem',
    text: (v) => verdicts[v.verdict]?.[1] ?? '',
    cell: (v) => {
      const [icon, word, tone] = verdicts[v.verdict] ?? ['?', v.verdict, 'quiet']
      return (
        <span className={`badge ${tone}`}>
          <span aria-hidden="true">{icon}</span> {word}
        </span>
      )
    },
    order: (v) => v.rank,
  },
  { key: 'because', title: 'Why', width: 'minmax(8rem, 1fr)', text: (v) => v.why ?? '' },
]

const collator = new Intl.Collator('en', { numeric: true })

export function Machine({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const live = useLive<Body, Verdict>(keeping(place.pathname, q), onLogout)
  const now = useNow()
  const b = live.body
  const name = decodeURIComponent(place.pathname.split('/')[3] ?? '')
  return (
    <Frame title={name} live={live} tools={b && <span className="quiet">{b.row.role === 'Firewall' ? 'firewall' : 'machine'} of {b.row.namespace}</span>}>
      {b && (
        <>
          <Now b={b} now={now} q={q} />
          <h2>Networks</h2>
          <Networks b={b} q={q} />
          <h2>{b.row.host ? 'Why this host' : 'Why no host'}</h2>
          <Choice b={b} />
          {!b.explain.hidden && (
            <List
              label="Hosts"
              rows={live.rows}
              version={live.version}
              q={q}
              columns={columns(b.mayHosts)}
              first={(x, y) => x.rank - y.rank || collator.compare(x.key, y.key)}
              choices={[{ key: 'verdict', title: 'Verdict', of: (v) => v.verdict }]}
              hint="host, reason…"
              empty={b.spec.host ? 'The host that it names is not there.' : 'There is no host in this partition at all.'}
            />
          )}
          {b.console && b.row.host && <Console kind="machine" of={`${b.row.namespace}/${b.row.name}`} may={b.console} />}
          <h2>Events</h2>
          {b.events?.length ? (
            <Table label="Events" head={['Last', 'Kind', 'Reason', 'Message', 'Times']} rows={b.events.map((e) => [<Since at={e.at} now={now} />, e.kind, e.reason, e.message, e.count])} />
          ) : (
            <p className="quiet">None: the API server keeps events for an hour or so.</p>
          )}
        </>
      )}
    </Frame>
  )
}

// steps are a machine's, in their order: what each is called, and the condition that says it is done.
const steps: [string, string][] = [
  ['Image', 'ImageResolved'],
  ['Addresses', 'AddressesReady'],
  ['Host', 'HostBound'],
  ['Installed', 'Installed'],
  ['Ready', 'Ready'],
]

function Now({ b, now, q }: { b: Body; now: number; q: URLSearchParams }) {
  const r = b.row
  const all = b.status.conditions ?? []
  const wrong = all.filter((c) => c.status !== 'True' && c.message && c.type !== 'Ready')
  return (
    <section className="card" aria-label="Now">
      <p className="lead">
        <Phase phase={r.phase} /> {r.why && !wrong.some((c) => c.message === r.why) ? r.why : ''}
      </p>
      <ol className="steps" aria-label="How far it is">
        {steps.map(([word, type]) => {
          const c = all.find((x) => x.type === type)
          const [icon, tone, means] = c?.status === 'True' ? ['✓', 'good', 'done'] : c ? ['…', 'warn', c.reason] : ['·', 'quiet', 'not yet']
          return (
            <li key={type} className={tone}>
              <span aria-hidden="true">{icon}</span> {word} <small>{means}</small>
            </li>
          )
        })}
      </ol>
      {wrong.map((c) => (
        <p key={c.type} className="said-by">
          <b>{c.reason}</b> {c.message} <small className="quiet"><Since at={c.lastTransitionTime} now={now} /></small>
        </p>
      ))}
      <div className="columns">
        <Fields
          of={[
            ['Addresses', r.addresses?.length ? <code>{r.addresses.join('  ')}</code> : 'none yet'],
            ['Hostname', b.status.hostname],
            ['Host', r.host ? b.mayHosts ? <a href={`/hosts/${r.host}`}>{r.host}</a> : r.host : 'none yet'],
            ['Power', `${r.power} (wanted: ${b.spec.online === false ? 'off' : 'on'})`],
            ['Made', <Since at={r.since} now={now} />],
            ['Installed', b.status.installedAt && <Since at={b.status.installedAt} now={now} />],
          ]}
        />
        <Fields
          of={[
            ['Size', r.size && <a href={keeping(`/sizes?q=${encodeURIComponent(r.size)}`, q)}>{r.size}</a>],
            ['Partition', r.partition],
            ['Rack', b.spec.failureDomain],
            ['Spread by', b.spec.placementTags?.join(', ')],
            ['Tolerates', b.spec.tolerations?.map((t) => t.key + (t.value ? `=${t.value}` : '')).join(', ')],
            ['Image', <><a href={`/images?q=${encodeURIComponent(r.image)}`}>{r.image}</a>{b.status.image ? (b.spec.image === b.status.image.name ? '' : ` (asked for: ${b.spec.image})`) : ' (not installed yet)'}</>],
            ['Digest', b.status.image?.digest && <code>{b.status.image.digest}</code>],
            ['Layout', b.spec.filesystemLayout],
            ['SSH keys', b.spec.sshPublicKeys?.length && `${b.spec.sshPublicKeys.length}`],
          ]}
        />
      </div>
    </section>
  )
}

function Networks({ b, q }: { b: Body; q: URLSearchParams }) {
  const asked = b.spec.networks ?? []
  if (!asked.length) return <p className="quiet">It asks for none: what it has is the provisioning network's.</p>
  const rows = asked.flatMap((n) => {
    const full = `${n.namespace || b.row.namespace}/${n.name}`
    const nic = b.status.nics?.find((x) => x.network === full)
    const link = <a href={keeping(`/networks/${full}`, q)}>{full}</a>
    const card = nic ? `${nic.name ?? ''} ${nic.macAddress}${nic.vlan ? `, VLAN ${nic.vlan}` : ''}` : ''
    const plug = nic?.switch ? `${nic.switch} port ${nic.port}` : ''
    const got = (b.status.addresses ?? []).filter((a) => a.network === full)
    if (!got.length) return [[link, <span className="quiet">none yet</span>, n.addresses?.join(', ') ?? '', '', card, plug]]
    return got.map((a) => [link, <code>{`${a.address}/${a.prefixLength ?? ''}`}</code>, a.ip, a.gateway, card, plug])
  })
  return <Table label="Networks" head={['Network', 'Address', 'IP', 'Gateway', 'Card', 'Switch']} rows={rows} />
}

function Choice({ b }: { b: Body }) {
  const e = b.explain
  if (e.hidden) {
    const c = b.status.conditions?.find((x) => x.type === 'HostBound')
    return (
      <p>
        {c?.message ? `The controller says: ${c.message}` : b.row.host ? 'It has its host.' : 'The controller has said nothing yet.'} <span className="quiet">Hosts are your provider's to see.</span>
      </p>
    )
  }
  if (e.host)
    return (
      <p>
        <b>{e.host}</b>: {e.why}
      </p>
    )
  return (
    <div className="card refusal">
      <p>
        <span className="badge bad">! {e.reason}</span> {e.why}
      </p>
      <p>
        <b>What helps:</b> {e.fix} {e.permanent && <span className="quiet">(waiting does not)</span>}
      </p>
    </div>
  )
}
