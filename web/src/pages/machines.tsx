import type { PageProps } from '../app'
import { type Column, List } from '../list'
import { keeping, useLive } from '../live'
import { Frame } from '../parts'
import { setQuery } from '../router'
import { Since } from '../words'

export interface MachineRow {
  namespace: string
  name: string
  phase: string
  role: string
  size?: string
  partition?: string
  image: string
  addresses?: string[]
  host?: string
  power: string
  since?: string
  ready: string
  reason?: string
  why?: string
}

const phases: Record<string, [string, string]> = {
  Pending: ['…', 'warn'],
  Waiting: ['…', 'warn'],
  Installing: ['▸', 'work'],
  Ready: ['✓', 'good'],
  Off: ['○', 'quiet'],
  Reinstalling: ['▸', 'work'],
  Releasing: ['▸', 'work'],
  Lost: ['!', 'bad'],
}

const order = Object.keys(phases)

export function Phase({ phase }: { phase: string }) {
  const [icon, tone] = phases[phase] ?? ['·', 'quiet']
  return (
    <span className={`badge ${tone}`}>
      <span aria-hidden="true">{icon}</span> {phase || 'new'}
    </span>
  )
}

const key = (r: MachineRow) => `${r.namespace}/${r.name}`

const columns = (q: URLSearchParams): Column<MachineRow>[] => [
  {
    key: 'name',
    title: 'Machine',
    width: 'minmax(9rem, 1.2fr)',
    text: key,
    cell: (r) => (
      <>
        <a href={keeping(`/machines/${key(r)}`, q)}>{r.name}</a> <small className="quiet">{r.namespace}</small>
      </>
    ),
  },
  { key: 'phase', title: 'Phase', width: '8rem', text: (r) => r.phase || 'new', cell: (r) => <Phase phase={r.phase} />, order: (r) => order.indexOf(r.phase) },
  { key: 'addresses', title: 'Addresses', width: 'minmax(8rem, 1.2fr)', text: (r) => (r.addresses ?? []).join(', '), cell: (r) => <code>{(r.addresses ?? []).join(', ')}</code> },
  { key: 'image', title: 'Image', width: 'minmax(7rem, 1fr)', wide: true, text: (r) => r.image },
  { key: 'size', title: 'Size', width: '7rem', wide: true, text: (r) => r.size ?? '' },
  { key: 'partition', title: 'Partition', width: '6rem', wide: true, text: (r) => r.partition ?? '' },
  { key: 'host', title: 'Host', width: 'minmax(7rem, 1fr)', wide: true, text: (r) => r.host ?? '' },
  { key: 'why', title: 'What it waits for', width: 'minmax(8rem, 2fr)', wide: true, text: (r) => r.why ?? '' },
  { key: 'since', title: 'Made', width: '7rem', wide: true, text: (r) => r.since ?? '', cell: (r, now) => <Since at={r.since} now={now} /> },
]

export function Machines({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const live = useLive<unknown, MachineRow>(keeping('/machines', q), onLogout)
  const count = new Map<string, number>()
  for (const r of live.rows.values()) count.set(r.phase || 'new', (count.get(r.phase || 'new') ?? 0) + 1)
  return (
    <Frame title="Machines" live={live} projects>
      {live.rows.size > 0 && (
        <div className="phases" role="group" aria-label="Machines by phase">
          {[...count].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)).map(([phase, n]) => (
            <button key={phase} type="button" aria-pressed={q.get('phase') === phase} onClick={() => setQuery({ phase: q.get('phase') === phase ? '' : phase })}>
              <b>{n}</b> <Phase phase={phase} />
            </button>
          ))}
        </div>
      )}
      <List
        label="Machines"
        rows={live.rows}
        version={live.version}
        q={q}
        columns={columns(q)}
        choices={[
          { key: 'phase', title: 'Phase', of: (r) => r.phase || 'new' },
          { key: 'project', title: 'Project', of: (r) => r.namespace },
          { key: 'size', title: 'Size', of: (r) => r.size ?? '' },
          { key: 'image', title: 'Image', of: (r) => r.image },
          { key: 'role', title: 'Role', of: (r) => r.role },
        ]}
        hint="name, address, host, image…"
        empty="There are no machines yet: `ingot machine create` claims the first."
        whole
      />
    </Frame>
  )
}
