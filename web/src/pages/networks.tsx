import { useState } from 'react'
import type { PageProps } from '../app'
import { type Column, List } from '../list'
import { keeping, useLive } from '../live'
import { Frame } from '../parts'
import { setQuery } from '../router'
import { free, number, type Use, UseBar } from '../use'
import { State } from '../words'

export interface NetworkRow {
  namespace: string
  name: string
  type: string
  vrf?: string
  parent?: string
  description?: string
  prefixes: string[] | null
  children: number
  use: Use
  ready: string
  reason?: string
  why?: string
}

interface Body {
  hidden?: boolean
  address?: string
  answer?: string[]
}

const key = (r: NetworkRow) => `${r.namespace}/${r.name}`
const collator = new Intl.Collator('en', { numeric: true })

// family puts children behind their parents.
const family = (a: NetworkRow, b: NetworkRow) => collator.compare(a.parent ?? key(a), b.parent ?? key(b)) || (a.parent ? 1 : 0) - (b.parent ? 1 : 0) || collator.compare(key(a), key(b))

const columns = (q: URLSearchParams): Column<NetworkRow>[] => [
  {
    key: 'name',
    title: 'Network',
    width: 'minmax(9rem, 1.2fr)',
    phone: 'minmax(0, 1fr)',
    text: key,
    cell: (r) => (
      <>
        {r.parent && !q.get('sort') && <span className="quiet" aria-hidden="true">└ </span>}
        <a href={keeping(`/networks/${key(r)}`, q)}>{r.name}</a> <small className="quiet">{r.namespace}</small>
      </>
    ),
  },
  { key: 'type', title: 'Type', width: '5.5rem', wide: true, text: (r) => r.type },
  { key: 'prefixes', title: 'Prefixes', width: 'minmax(9rem, 1.6fr)', phone: 'minmax(0, 1.1fr)', text: (r) => (r.prefixes ?? []).join(', '), cell: (r) => <code>{(r.prefixes ?? []).join(', ')}</code> },
  { key: 'used', title: 'Used', width: 'minmax(8rem, 1fr)', phone: '6.4rem', text: (r) => `${free(r.use)} free`, cell: (r) => <UseBar use={r.use} label={r.name} />, order: (r) => (r.use.size ? 1 - r.use.free / r.use.size : 0) },
  { key: 'held', title: 'Held', width: '5rem', wide: true, text: (r) => (r.type === 'Super' ? `${r.children} networks` : number(r.use.held)), cell: (r) => (r.type === 'Super' ? `${r.children} cut` : number(r.use.held)), order: (r) => r.use.held, numeric: true },
  { key: 'free', title: 'Free', width: '7rem', wide: true, text: (r) => free(r.use), order: (r) => r.use.free, numeric: true },
  { key: 'vrf', title: 'VRF', width: '6rem', wide: true, text: (r) => r.vrf ?? '' },
  { key: 'state', title: 'State', width: '9rem', wide: true, text: (r) => r.why || r.reason || '', cell: (r) => <State ready={r.ready} reason={r.reason} /> },
]

export function Networks({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const live = useLive<Body, NetworkRow>(keeping('/networks', q, 'address'), onLogout)
  const b = live.body
  return (
    <Frame title="Networks" live={live} projects>
      {b?.hidden && <p className="quiet">Who holds which address is your provider's to see: the numbers are what the networks say themselves, some seconds late.</p>}
      <List
        label="Networks"
        rows={live.rows}
        version={live.version}
        q={q}
        columns={columns(q)}
        first={family}
        also={(r) => `${r.description ?? ''} ${r.parent ?? ''}`}
        choices={[
          { key: 'type', title: 'Type', of: (r) => r.type },
          { key: 'vrf', title: 'VRF', of: (r) => r.vrf ?? '' },
        ]}
        hint="name, prefix, VRF…"
        empty="There are no networks yet: examples/network.yaml shows how one is made."
        whole
      >
        <Whose asked={q.get('address') ?? ''} />
      </List>
      {b?.answer && b.address === q.get('address') && (
        <section className="card answer" aria-label="Whose address it is" role="status">
          {b.answer.map((line) => (
            <p key={line}>{line}</p>
          ))}
        </section>
      )}
    </Frame>
  )
}

// Whose asks of one address, in all networks.
function Whose({ asked }: { asked: string }) {
  const [text, set] = useState(asked)
  return (
    <label>
      Whose is the address
      <input
        value={text}
        placeholder="10.0.0.5, then Enter"
        autoComplete="off"
        onChange={(e) => set(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === 'Enter') setQuery({ address: text.trim() })
        }}
      />
    </label>
  )
}
