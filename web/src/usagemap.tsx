// A prefix as blocks. A grid is one control with arrow keys: what the block under them is stands below it, and Enter looks into it.
import { type CSSProperties, type KeyboardEvent, useEffect, useId, useRef, useState } from 'react'
import { go } from './router'
import { number, percent, share } from './use'
import { Since, useNow } from './words'

interface Counts {
  size: number
  held: number
  resting: number
  kept: number
  free: number
}

interface Piece {
  state: string
  name: string
  until?: string
}

interface Block extends Counts {
  text: string
  look?: string
  has?: Piece[]
  number?: number
}

export interface MapBody {
  prefix: string
  path: string[]
  grid: boolean
  count: Counts
  blocks: Block[]
}

const perRow = 16

export function Legend() {
  return (
    <span className="legend" aria-label="What the blocks mean">
      <span><i className="swatch held" /> held</span>
      <span><i className="swatch resting" /> resting</span>
      <span><i className="swatch kept" /> given to nobody</span>
      <span><i className="swatch" /> free</span>
    </span>
  )
}

export function Map({ m, place, hidden }: { m: MapBody; place: URL; hidden?: boolean }) {
  const to = (block: string) => {
    const u = new URL(place)
    if (block === m.prefix) u.searchParams.delete('block')
    else u.searchParams.set('block', block)
    return u.pathname + u.search
  }
  const c = m.count
  const given = c.size - c.kept
  return (
    <section className="card usagemap" aria-label={`Usage of ${m.prefix}`}>
      <h3>
        {m.path.map((p, i) =>
          i === m.path.length - 1 ? (
            <code key={p}>{p}</code>
          ) : (
            <span key={p}>
              <a href={to(p)}>
                <code>{p}</code>
              </a>{' '}
              <span className="quiet" aria-label="in it">›</span>{' '}
            </span>
          ),
        )}
      </h3>
      <p className="sums">
        {!hidden && <b>{percent(c.held + c.resting, given) || '0 %'} used</b>}
        <span>{number(c.held)} held</span>
        {c.resting > 0 && <span>{number(c.resting)} resting</span>}
        {c.kept > 0 && <span>{number(c.kept)} given to nobody</span>}
        {!hidden && (
          <span>
            {number(c.free)} free of {number(c.size)}
          </span>
        )}
      </p>
      {m.grid ? <Grid m={m} look={(block) => go(to(block), false, true)} hidden={hidden} /> : <Entries m={m} to={to} hidden={hidden} />}
    </section>
  )
}

// said is what a block is, in words.
function said(b: Block, hidden?: boolean): string {
  const free = hidden ? 'nothing that you may see' : 'free'
  if (!b.number) return b.size > 1 ? `${number(b.size)} ${free}` : free
  const one = b.has?.[0]
  if (b.number === 1 && one && !b.look) return `${words[one.state]} ${name(one.name)}`
  const parts = [b.held && `${number(b.held)} held`, b.resting && `${number(b.resting)} resting`, b.kept && `${number(b.kept)} given to nobody`, !hidden && b.free && `${number(b.free)} free`].filter(Boolean)
  return parts.join(', ')
}

const words: Record<string, string> = { held: 'held by', resting: 'resting after', kept: 'given to nobody:' }

function name(holder: string): string {
  const part = holder.split('/')
  return part.length === 3 ? `${part[0]} ${part[1]}/${part[2]}` : holder
}

const fill = (b: Block): CSSProperties => {
  const h = share(b.held, b.size)
  const r = b.resting ? Math.min(100, h + share(b.resting, b.size)) : h
  const k = b.kept ? Math.min(100, r + share(b.kept, b.size)) : r
  return { '--h': `${h}%`, '--r': `${r}%`, '--k': `${k}%` } as CSSProperties
}

// digits is what an address is called in its cell: its last number.
const digits = (text: string) => (text.includes(':') ? text.slice(text.lastIndexOf(':') + 1).slice(-2) || '0' : text.slice(text.lastIndexOf('.') + 1))

const first = (text: string) => text.split(/[-/]/)[0]!

function Grid({ m, look, hidden }: { m: MapBody; look: (block: string) => void; hidden?: boolean }) {
  const id = useId()
  const [at, set] = useState(-1)
  const box = useRef<HTMLDivElement>(null)
  const drawn = m.path.at(-1)
  useEffect(() => set(-1), [drawn])
  const single = m.blocks[0]?.size === 1
  const move = (to: number) => set(Math.max(0, Math.min(m.blocks.length - 1, to)))
  const keys: Record<string, () => void> = {
    ArrowRight: () => move(at + 1),
    ArrowLeft: () => move(at - 1),
    ArrowDown: () => move(at < 0 ? 0 : at + perRow),
    ArrowUp: () => move(at < 0 ? 0 : at - perRow),
    Home: () => move(0),
    End: () => move(m.blocks.length - 1),
    Enter: () => enter(at),
    ' ': () => enter(at),
    Backspace: () => {
      const up = m.path.at(-2)
      if (up) look(up)
    },
  }
  const enter = (i: number) => {
    set(i)
    const next = m.blocks[i]?.look
    if (next) look(next)
  }
  const onKey = (e: KeyboardEvent) => {
    const act = keys[e.key]
    if (!act || e.metaKey || e.ctrlKey || e.altKey) return
    e.preventDefault()
    act()
  }
  const rows: Block[][] = []
  for (let i = 0; i < m.blocks.length; i += perRow) rows.push(m.blocks.slice(i, i + perRow))
  return (
    <>
      <div
        ref={box}
        className={`blocks ${single ? 'single' : ''} ${rows.length > 1 ? '' : 'one'}`}
        role="listbox"
        aria-label={`Blocks of ${drawn}: arrow keys go through them, Enter looks into one`}
        tabIndex={0}
        aria-activedescendant={at >= 0 ? `${id}${at}` : undefined}
        onKeyDown={onKey}
      >
        {rows.map((row, y) => (
          <div key={y} role="group" aria-label={`from ${first(row[0]!.text)}`} className="row">
            <span className="from quiet" aria-hidden="true">
              {first(row[0]!.text)}
            </span>
            {row.map((b, x) => {
              const i = y * perRow + x
              const state = b.size === 1 || (b.number === 1 && !b.look) ? (b.has?.[0]?.state ?? '') : ''
              return (
                <span
                  key={x}
                  id={`${id}${i}`}
                  role="option"
                  aria-selected={at === i}
                  aria-label={`${b.text}: ${said(b, hidden)}`}
                  className={`cell ${state} ${b.look ? 'deep' : ''}`}
                  style={state ? undefined : fill(b)}
                  onClick={() => enter(i)}
                  onMouseEnter={() => set(i)}
                >
                  {single ? digits(b.text) : ''}
                </span>
              )
            })}
          </div>
        ))}
      </div>
      <Told block={m.blocks[at]} hidden={hidden} />
    </>
  )
}

function Told({ block: b, hidden }: { block?: Block; hidden?: boolean }) {
  const now = useNow(5000)
  if (!b) return <p className="told quiet">Point at a block, or go through them with the arrow keys.</p>
  const one = b.number === 1 ? b.has?.[0] : undefined
  return (
    <p className="told" role="status">
      <code>{b.text}</code> {said(b, hidden)}
      {one?.until && (
        <>
          , free again <Since at={one.until} now={now} />
        </>
      )}
      {(b.number ?? 0) > 1 && (
        <span className="quiet">
          {' '}
          · {b.has?.map((p) => name(p.name)).join(', ')}
          {(b.number ?? 0) > (b.has?.length ?? 0) && ` and ${(b.number ?? 0) - (b.has?.length ?? 0)} more`}
        </span>
      )}
      {b.look && <span className="quiet"> · Enter looks into it</span>}
    </p>
  )
}

// Entries is a prefix that is too large for a grid: what is in it, and the space between.
function Entries({ m, to, hidden }: { m: MapBody; to: (block: string) => string; hidden?: boolean }) {
  return (
    <ol className="entries" aria-label={`What is in ${m.path.at(-1)}`}>
      {m.blocks.map((b) =>
        b.number ? (
          <li key={b.text}>
            <i className={`swatch ${b.number === 1 ? b.has?.[0]?.state : ''}`} style={b.number === 1 ? undefined : fill(b)} />
            <code>{b.look ? <a href={to(b.look)}>{b.text}</a> : b.text}</code>
            <span>{said(b, hidden)}</span>
          </li>
        ) : (
          <li key={b.text} className="gap quiet">
            <i className="swatch" />
            <code>{b.text}</code>
            <span>{said(b, hidden)}</span>
          </li>
        ),
      )}
    </ol>
  )
}
