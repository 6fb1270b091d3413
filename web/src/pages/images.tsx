import type { PageProps } from '../app'
import { type Column, List } from '../list'
import { keeping, useLive } from '../live'
import { Frame } from '../parts'
import { Since, State } from '../words'

interface ImageRow {
  key: string
  os: string
  description?: string
  class: string
  features?: string[]
  sizes?: string[]
  phase: string
  ends?: string
  expires?: string
  shorthands?: string[]
  machines: number
  ready: string
  reason?: string
  why?: string
  signed?: string
  signedBy?: string
  url: string
  digest: string
  format: string
}

const phases: Record<string, [string, string]> = { Current: ['✓ good', 'good'], Grace: ['! in grace', 'warn'], Over: ['– over', 'quiet'] }

const columns = (q: URLSearchParams): Column<ImageRow>[] => [
  { key: 'name', title: 'Image', width: 'minmax(8rem, 1fr)', phone: 'minmax(0, 1fr)', text: (r) => r.key, cell: (r) => <b>{r.key}</b> },
  {
    key: 'means',
    title: 'Meant by',
    width: 'minmax(9rem, 1fr)',
    wide: true,
    text: (r) => (r.shorthands ?? []).join(' '),
    cell: (r) => (r.shorthands ?? []).map((s) => <code key={s} className="chip">{s}</code>),
  },
  {
    key: 'ends',
    title: 'Time left',
    width: 'minmax(11rem, 1fr)',
    phone: 'minmax(0, 1.5fr)',
    text: (r) => `${r.phase} ${r.ends ?? ''}`,
    cell: (r, now) => {
      const [word, tone] = phases[r.phase] ?? [r.phase, 'quiet']
      return (
        <>
          <span className={`badge ${tone}`}>{word}</span> {r.ends ? <Since at={r.ends} now={now} /> : r.expires ? <Since at={r.expires} now={now} /> : <span className="quiet">never ends</span>}
        </>
      )
    },
    order: (r) => (r.phase === 'Over' ? -1 : r.ends ? Date.parse(r.ends) : Number.MAX_SAFE_INTEGER),
  },
  { key: 'machines', title: 'Machines', width: '6.5rem', phone: '5.5rem', numeric: true, text: (r) => String(r.machines), order: (r) => r.machines, cell: (r) => (r.machines ? <a href={keeping(`/machines?image=${encodeURIComponent(r.key)}`, q)} aria-label={`${r.machines} have ${r.key}`}>{r.machines}</a> : <span className="quiet">0</span>) },
  { key: 'state', title: 'State', width: '8rem', wide: true, text: (r) => r.why || r.reason || '', cell: (r) => <State ready={r.ready} reason={r.reason} /> },
  { key: 'class', title: 'Class', width: '7rem', wide: true, text: (r) => r.class },
  { key: 'for', title: 'For', width: '8rem', wide: true, text: (r) => [...(r.features ?? []), ...(r.sizes ?? [])].join(', ') },
  { key: 'signed', title: 'Signed', width: '6.5rem', wide: true, text: (r) => r.signedBy || r.signed || '' },
  { key: 'url', title: 'From', width: 'minmax(6rem, 1fr)', wide: true, text: (r) => `${r.url} (${r.format}, ${r.digest})`, cell: (r) => <small className="quiet">{r.url}</small> },
]

export function Images({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const live = useLive<unknown, ImageRow>('/images', onLogout)
  return (
    <Frame title="Images" live={live}>
      <List
        label="Images"
        rows={live.rows}
        version={live.version}
        q={q}
        columns={columns(q)}
        also={(r) => r.description ?? ''}
        choices={[
          { key: 'os', title: 'System', of: (r) => r.os },
          { key: 'time', title: 'Time', of: (r) => r.phase },
          { key: 'class', title: 'Class', of: (r) => r.class },
        ]}
        hint="name, shorthand, URL…"
        empty="There are no images yet: examples/image.yaml shows how one is made."
        whole
      />
    </Frame>
  )
}
