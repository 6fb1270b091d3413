import { type KeyboardEvent, type ReactNode, useRef } from 'react'
import { setQuery } from '../router'
import { Bar, Kind, Since } from '../words'
import type { HostRow } from './hosts'

// Column is one of the list of hosts. Widths are of a CSS grid, on a screen and on a phone; least is what the narrow ones need, in rem.
export interface Column {
  key: string
  name: string
  width: string
  least: number
  phone?: string
  of: (r: HostRow) => string | undefined
  cell?: (r: HostRow, now: number) => ReactNode
}

// columns are all that there are, in the order in which they are shown.
export const columns: Column[] = [
  { key: 'name', name: 'Host', width: '13rem', least: 13, phone: '9rem', of: (r) => `${r.namespace}/${r.name}`, cell: (r) => <a href={`/hosts/${r.namespace}/${r.name}`}>{r.name}</a> },
  { key: 'namespace', name: 'Namespace', width: '9rem', least: 9, of: (r) => r.namespace },
  { key: 'state', name: 'State', width: '9rem', least: 9, phone: '7rem', of: (r) => r.state || 'new' },
  { key: 'power', name: 'Power', width: '4rem', least: 4, phone: '3rem', of: (r) => r.power },
  {
    key: 'now',
    name: 'Now',
    width: 'minmax(16rem, 2fr)',
    least: 16,
    phone: 'minmax(10rem, 1fr)',
    of: (r) => r.now,
    cell: (r) => (
      <>
        <Kind kind={r.kind} error={r.error} /> {r.percent >= 0 && <Bar percent={r.percent} label={`${r.name}: ${r.now}`} />} {r.now}
      </>
    ),
  },
  { key: 'since', name: 'Since', width: '7rem', least: 7, of: (r) => r.since, cell: (r, now) => <Since at={r.since} now={now} /> },
  { key: 'health', name: 'Health', width: '6rem', least: 6, of: (r) => r.health },
  { key: 'partition', name: 'Partition', width: '8rem', least: 8, of: (r) => r.partition },
  { key: 'consumer', name: 'Used by', width: 'minmax(8rem, 1fr)', least: 8, of: (r) => r.consumer },
  { key: 'hardware', name: 'Hardware', width: 'minmax(10rem, 1fr)', least: 10, of: (r) => r.hardware },
  { key: 'bmc', name: 'BMC', width: 'minmax(14rem, 1fr)', least: 14, of: (r) => r.bmc },
]

const usual = 'name,state,power,now,since,consumer,hardware'

// chosen are the columns that the URL names; the host itself always. What it names that is none is left out.
export function chosen(named: string | null): Column[] {
  const keys = (named || usual).split(',')
  return columns.filter((c) => c.key === 'name' || keys.includes(c.key))
}

// widths are the grid's: with the boxes to choose hosts by, and, on a phone, without what was not asked for there.
export function widths(shown: Column[], selectable: boolean, named: string | null): Record<string, string> {
  const box = selectable ? '1.6rem ' : ''
  const gap = 0.5
  const least = (all: Column[], of: (c: Column) => number) => `${all.reduce((n, c) => n + of(c) + gap, 2)}rem`
  const phone = named ? shown : shown.filter((c) => c.phone)
  return {
    '--columns': box + shown.map((c) => c.width).join(' '),
    '--columns-phone': box + phone.map((c) => c.phone ?? `${c.least}rem`).join(' '),
    '--least': least(shown, (c) => c.least),
    '--least-phone': least(phone, (c) => (c.phone ? parseFloat(c.phone.replace('minmax(', '')) : c.least)),
  }
}

// onPhone says whether a column is shown on a phone, too.
export const onPhone = (c: Column, named: string | null) => !!named || !!c.phone

// Chooser keeps the choice in the URL; that of the usual ones is none.
export function Chooser({ named }: { named: string | null }) {
  const shown = chosen(named)
  const box = useRef<HTMLDetailsElement>(null)
  const toggle = (c: Column) => {
    const next = columns.filter((x) => shown.includes(x) !== (x === c)).map((x) => x.key)
    const text = next.join(',')
    setQuery({ columns: text === usual ? '' : text })
  }
  const leave = (e: KeyboardEvent) => {
    if (e.key !== 'Escape' || !box.current?.open) return
    box.current.open = false
    box.current.querySelector('summary')?.focus()
  }
  return (
    <details ref={box} className="chooser" onKeyDown={leave}>
      <summary>Columns</summary>
      <fieldset>
        <legend>Columns of the list</legend>
        {columns
          .filter((c) => c.key !== 'name')
          .map((c) => (
            <label key={c.key}>
              <input type="checkbox" checked={shown.includes(c)} onChange={() => toggle(c)} /> {c.name}
            </label>
          ))}
      </fieldset>
    </details>
  )
}
