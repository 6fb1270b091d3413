import type { ReactNode } from 'react'
import type { PageProps } from '../app'
import { type Column, List } from '../list'
import { keeping, useLive } from '../live'
import { Fields, Frame } from '../parts'
import type { Use } from '../use'
import { Legend, Map as UsageMap, type MapBody } from '../usagemap'
import { Since, span, State } from '../words'
import type { NetworkRow } from './networks'

interface Body {
  row: NetworkRow
  hidden?: boolean
  uses?: Use[]
  maps?: MapBody[]
  status: { vrfID?: number; asn?: number }
  spec: {
    gateways?: string[]
    excluded?: string[]
    dnsServers?: string[]
    destinationPrefixes?: string[]
    nat?: boolean
    quarantineSeconds?: number
    addressStrategy?: string
    childPrefixLength?: { ipv4?: number; ipv6?: number }
  }
}

interface Entry {
  key: string
  address?: string
  state: string
  kind: string
  claimNamespace: string
  claim: string
  owner?: string
  static?: boolean
  tags?: string[]
  until?: string
  why?: string
}

// claimed is who has something, with a way there where there is a page.
export function claimed(kind: string, namespace: string, name: string, q: URLSearchParams): ReactNode {
  if (kind === 'Network') return <a href={keeping(`/networks/${namespace}/${name}`, q)}>{name}</a>
  return name
}

const badges: Record<string, [string, string]> = { held: ['■', 'work'], resting: ['▨', 'warn'], waiting: ['!', 'bad'] }

const columns = (q: URLSearchParams, isSuper: boolean): Column<Entry>[] => [
  { key: 'address', title: isSuper ? 'Prefix' : 'Address', width: 'minmax(8rem, 1fr)', text: (e) => e.address ?? '', cell: (e) => (e.address ? <code>{e.address}</code> : <span className="quiet">none yet</span>) },
  {
    key: 'state',
    title: 'State',
    width: '6.5rem',
    text: (e) => e.state,
    cell: (e) => (
      <span className={`badge ${badges[e.state]?.[1] ?? 'quiet'}`}>
        <span aria-hidden="true">{badges[e.state]?.[0]}</span> {e.state}
      </span>
    ),
  },
  {
    key: 'holder',
    title: isSuper ? 'Network' : 'Holder',
    width: 'minmax(9rem, 1.2fr)',
    text: (e) => `${e.claimNamespace}/${e.claim}`,
    cell: (e) => (
      <>
        {claimed(e.kind, e.claimNamespace, e.claim, q)} <small className="quiet">{e.claimNamespace}</small>
      </>
    ),
  },
  { key: 'kind', title: 'Kind', width: '8rem', wide: true, text: (e) => (e.static ? `${e.kind}, static` : e.kind) },
  {
    key: 'owner',
    title: 'Goes with',
    width: 'minmax(8rem, 1fr)',
    wide: true,
    text: (e) => e.owner ?? '',
  },
  { key: 'tags', title: 'Tags', width: 'minmax(6rem, 1fr)', wide: true, text: (e) => (e.tags ?? []).join(', ') },
  { key: 'note', title: 'Note', width: 'minmax(7rem, 1.6fr)', wide: true, text: (e) => e.why ?? e.until ?? '', cell: (e, now) => e.why ?? (e.until ? <>free <Since at={e.until} now={now} /></> : '') },
]

export function Network({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const live = useLive<Body, Entry>(keeping(place.pathname, q, 'block'), onLogout)
  const b = live.body
  const name = decodeURIComponent(place.pathname.split('/')[3] ?? '')
  const isSuper = b?.row.type === 'Super'
  const drawn = new Set((b?.maps ?? []).map((m) => m.prefix))
  const others = (b?.row.prefixes ?? []).filter((p) => !drawn.has(p))
  return (
    <Frame title={name} live={live} tools={b && <span className="quiet">{b.row.type} network of {b.row.namespace}</span>}>
      {b && (
        <>
          <About b={b} q={q} />
          <h2>
            Usage <Legend />
          </h2>
          {b.hidden && <p className="quiet">Drawn is what you may see of it; who else holds addresses is your provider's to see.</p>}
          {(b.maps ?? []).map((m) => (
            <UsageMap key={m.prefix} m={m} place={place} hidden={b.hidden} />
          ))}
          {!b.maps?.length && <p className="quiet">It has no prefixes yet.</p>}
          {others.length > 0 && (
            <p>
              Not drawn:{' '}
              {others.map((p) => (
                <a key={p} className="chip" href={`${place.pathname}?block=${encodeURIComponent(p)}`}>
                  {p}
                </a>
              ))}
            </p>
          )}
          <h2>{isSuper ? 'Networks cut from it' : 'Addresses'}</h2>
          <List
            label={isSuper ? 'Networks cut from it' : 'Addresses'}
            rows={live.rows}
            version={live.version}
            q={q}
            columns={columns(q, isSuper)}
            choices={[
              { key: 'state', title: 'State', of: (e) => e.state },
              { key: 'kind', title: 'Kind', of: (e) => e.kind },
            ]}
            hint="address, holder, tag…"
            empty={isSuper ? 'None: a network of type Child or Shared is cut from it when one names it as its parent.' : 'None is held: `ingot ip allocate NAME --network NETWORK` asks for one.'}
          />
        </>
      )}
    </Frame>
  )
}

function About({ b, q }: { b: Body; q: URLSearchParams }) {
  const r = b.row
  const lengths = b.spec.childPrefixLength
  return (
    <section className="card" aria-label="About">
      <p className="lead">
        <State ready={r.ready} reason={r.reason} /> {r.description}
      </p>
      {r.why && <p className="alert">{r.why}</p>}
      <div className="columns">
        <Fields
          of={[
            ['Prefixes', <code>{(r.prefixes ?? []).join('  ')}</code>],
            ['Cut from', r.parent && <a href={keeping(`/networks/${r.parent}`, q)}>{r.parent}</a>],
            ['VRF', r.vrf && `${r.vrf}${b.status.vrfID ? ` · number ${b.status.vrfID}` : ''}`],
            ['ASN', b.status.asn],
            ['Children', r.type === 'Super' && `${r.children} networks${lengths ? `, each ${[lengths.ipv4 && `/${lengths.ipv4}`, lengths.ipv6 && `/${lengths.ipv6} of IPv6`].filter(Boolean).join(' and ')} where it says nothing else` : ''}`],
          ]}
        />
        <Fields
          of={[
            ['Gateways', b.spec.gateways?.join(', ')],
            ['Excluded', b.spec.excluded?.join(', ')],
            ['DNS servers', b.spec.dnsServers?.join(', ')],
            ['Reaches', b.spec.destinationPrefixes?.join(', ')],
            ['NAT', b.spec.nat && 'firewalls translate what goes out here'],
            ['Quarantine', b.spec.quarantineSeconds && `${span(b.spec.quarantineSeconds * 1000)} after a release`],
            ['Given', b.spec.addressStrategy === 'Random' && 'in no order'],
          ]}
        />
      </div>
    </section>
  )
}
