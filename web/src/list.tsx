// A table of many rows, of which only those on the screen are in the page. What is shown (search, filters, order) stands in the URL.
import { useVirtualizer } from '@tanstack/react-virtual'
import { type CSSProperties, type ReactNode, useMemo, useRef } from 'react'
import { setQuery } from './router'
import { useNow } from './words'

export interface Column<R> {
  key: string
  title: string
  // width is as in grid-template-columns; wide columns are left out on a phone, where the others may have another width.
  width: string
  phone?: string
  wide?: boolean
  text: (r: R) => string
  cell?: (r: R, now: number) => ReactNode
  // order sorts by a number instead of the text; numeric columns stand at the right.
  order?: (r: R) => number
  numeric?: boolean
}

export interface Choice<R> {
  key: string
  title: string
  of: (r: R) => string
}

interface Props<R> {
  label: string
  rows: Map<string, R>
  version: number
  q: URLSearchParams
  columns: Column<R>[]
  choices?: Choice<R>[]
  // also is text to be found by the search beside the columns'; first the order where none is asked for.
  also?: (r: R) => string
  first?: (a: R, b: R) => number
  hint: string
  // empty is said where there are no rows at all.
  empty: ReactNode
  // whole: the list is the page, and as high as the screen lets it be.
  whole?: boolean
  children?: ReactNode
}

const lineHeight = 36
const collator = new Intl.Collator('en', { numeric: true })

function arrange<R>({ rows, q, columns, choices = [], also, first }: Props<R>): R[] {
  const words = (q.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const text = (r: R) => `${columns.map((c) => c.text(r)).join(' ')} ${also?.(r) ?? ''}`.toLowerCase()
  const shown = [...rows.values()].filter((r) => {
    if (choices.some((c) => q.get(c.key) && c.of(r) !== q.get(c.key))) return false
    if (!words.length) return true
    const t = text(r)
    return words.every((w) => t.includes(w))
  })
  const by = columns.find((c) => c.key === q.get('sort'))
  const down = q.get('order') === 'desc' ? -1 : 1
  const plain = first ?? ((a: R, b: R) => collator.compare(columns[0]!.text(a), columns[0]!.text(b)))
  if (!by) return shown.sort((a, b) => down * plain(a, b))
  return shown.sort((a, b) => down * (by.order ? by.order(a) - by.order(b) : collator.compare(by.text(a), by.text(b))) || plain(a, b))
}

export function List<R>(p: Props<R>) {
  const query = p.q.toString()
  const shown = useMemo(() => arrange(p), [p.rows, p.version, query])
  const box = useRef<HTMLDivElement>(null)
  const now = useNow(5000)
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => box.current, estimateSize: () => lineHeight, overscan: 12 })
  const sort = p.q.get('sort') || p.columns[0]!.key
  const down = p.q.get('order') === 'desc'
  const style = {
    '--columns': p.columns.map((c) => c.width).join(' '),
    '--columns-phone': p.columns.filter((c) => !c.wide).map((c) => c.phone ?? c.width).join(' '),
  } as CSSProperties
  const side = (c: Column<R>) => `${c.wide ? 'wide' : ''} ${c.numeric ? 'number' : ''}`
  return (
    <>
      <form className="filters" role="search" aria-label={p.label} onSubmit={(e) => e.preventDefault()}>
        <label>
          Search
          <input type="search" value={p.q.get('q') ?? ''} onChange={(e) => setQuery({ q: e.target.value })} placeholder={p.hint} />
        </label>
        {(p.choices ?? []).map((c) => (
          <label key={c.key}>
            {c.title}
            <select value={p.q.get(c.key) ?? ''} onChange={(e) => setQuery({ [c.key]: e.target.value })}>
              <option value="">any</option>
              {[...new Set([...p.rows.values()].map(c.of).concat(p.q.get(c.key) ?? []))].filter(Boolean).sort(collator.compare).map((v) => (
                <option key={v}>{v}</option>
              ))}
            </select>
          </label>
        ))}
        {p.children}
        <span className="quiet counted" role="status">{`${shown.length.toLocaleString()} of ${p.rows.size.toLocaleString()}`}</span>
      </form>
      {shown.length === 0 ? (
        <p className="quiet">{p.rows.size ? 'None is like that.' : p.empty}</p>
      ) : (
        <div ref={box} className={`grid list ${p.whole ? '' : 'part'}`} role="region" aria-label={`List: ${p.label}`} tabIndex={0} style={{ '--lines': Math.min(shown.length, 400) } as CSSProperties}>
          <div role="table" aria-label={p.label} aria-rowcount={shown.length + 1} style={style}>
            <div role="rowgroup" className="head">
              <div role="row" aria-rowindex={1} className="line">
                {p.columns.map((c, i) => (
                  <span key={c.key} role="columnheader" className={side(c)} aria-sort={sort === c.key ? (down ? 'descending' : 'ascending') : 'none'}>
                    <button type="button" className="plain" onClick={() => setQuery({ sort: i === 0 ? '' : c.key, order: sort === c.key && !down ? 'desc' : '' })}>
                      {c.title} <span aria-hidden="true">{sort === c.key ? (down ? '↓' : '↑') : ''}</span>
                    </button>
                  </span>
                ))}
              </div>
            </div>
            <div role="rowgroup" className="body" style={{ height: virtual.getTotalSize() }}>
              {virtual.getVirtualItems().map((v) => {
                const r = shown[v.index]!
                return (
                  <div role="row" aria-rowindex={v.index + 2} key={v.index} className="line" style={{ transform: `translateY(${v.start}px)`, height: v.size }}>
                    {p.columns.map((c) => (
                      <span role="cell" key={c.key} className={side(c)} title={c.text(r)}>
                        {c.cell ? c.cell(r, now) : c.text(r)}
                      </span>
                    ))}
                  </div>
                )
              })}
            </div>
          </div>
        </div>
      )}
    </>
  )
}
