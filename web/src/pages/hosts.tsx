import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, useCallback, useMemo, useRef, useState } from 'react'
import type { PageProps } from '../app'
import { type Live, post, useLive } from '../live'
import { Frame } from '../parts'
import { setQuery } from '../router'
import { useNow } from '../words'
import { Chooser, type Column, chosen, columns, onPhone, widths } from './hostcolumns'

export interface HostRow {
  namespace: string
  name: string
  state: string
  power: string
  kind?: string
  now: string
  since?: string
  error?: string
  health?: string
  partition?: string
  consumer?: string
  hardware?: string
  bmc?: string
  percent: number
}

const groups: Record<string, (r: HostRow) => string> = {
  state: (r) => r.state || 'new',
  kind: (r) => r.kind || 'new',
  partition: (r) => r.partition || 'none',
  namespace: (r) => r.namespace,
  health: (r) => r.health || 'unknown',
}

type Line = { group: string; count: number } | { row: HostRow }

function matches(r: HostRow, words: string[]): boolean {
  const text = `${r.namespace}/${r.name} ${r.state} ${r.now} ${r.error ?? ''} ${r.consumer ?? ''} ${r.hardware ?? ''} ${r.bmc ?? ''} ${r.partition ?? ''}`.toLowerCase()
  return words.every((w) => text.includes(w))
}

// arrange filters, sorts and groups as the URL says.
function arrange(all: Iterable<HostRow>, q: URLSearchParams): { lines: Line[]; shown: HostRow[] } {
  const words = (q.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const wanted = Object.keys(groups).flatMap((k) => (q.get(k) ? [[groups[k]!, q.get(k)!] as const] : []))
  const shown = [...all].filter((r) => wanted.every(([f, v]) => f(r) === v) && (!words.length || matches(r, words)))
  const by = columns.find((c) => c.key === q.get('sort')) ?? columns[0]!
  const down = q.get('order') === 'desc' ? -1 : 1
  const collator = new Intl.Collator('en', { numeric: true })
  const keyed = shown.map((r) => [by.of(r) ?? '', `${r.namespace}/${r.name}`, r] as const)
  keyed.sort((a, b) => down * collator.compare(a[0], b[0]) || collator.compare(a[1], b[1]))
  const sorted = keyed.map((k) => k[2])
  const group = groups[q.get('group') ?? '']
  if (!group) return { lines: sorted.map((row) => ({ row })), shown: sorted }
  const parts = new Map<string, HostRow[]>()
  for (const r of sorted) {
    const g = group(r)
    const p = parts.get(g)
    if (p) p.push(r)
    else parts.set(g, [r])
  }
  const lines: Line[] = []
  for (const g of [...parts.keys()].sort(collator.compare)) {
    const rows = parts.get(g)!
    lines.push({ group: g, count: rows.length })
    for (const row of rows) lines.push({ row })
  }
  return { lines, shown: sorted }
}

export function Hosts({ place, onLogout }: PageProps) {
  const q = place.searchParams
  const namespace = q.get('namespace') ?? ''
  const live = useLive<{ mayChange: boolean }, HostRow>(namespace ? `/hosts?namespace=${encodeURIComponent(namespace)}` : '/hosts', onLogout)
  const query = q.toString()
  const { lines, shown } = useMemo(() => arrange(live.rows.values(), new URLSearchParams(query)), [live.version, live.rows, query])
  const [picked, pick] = useState<ReadonlySet<string>>(new Set())
  const choices = useMemo(() => options(live), [live.version, live.rows])
  return (
    <Frame title="Hosts" live={live} tools={<span className="quiet" role="status">{`${shown.length} of ${live.rows.size}`}</span>}>
      <Filters q={q} choices={choices} />
      {live.body?.mayChange && <Bulk picked={picked} clear={() => pick(new Set())} />}
      <Grid lines={lines} shown={shown} q={q} picked={picked} pick={pick} selectable={live.body?.mayChange ?? false} />
      {lines.length === 0 && <p className="quiet">{live.rows.size ? 'No host is like that.' : 'There are no hosts yet: `ingot apply -f hosts.yaml` brings the first.'}</p>}
    </Frame>
  )
}

function options(live: Live<unknown, HostRow>): Record<string, string[]> {
  const found: Record<string, Set<string>> = {}
  for (const k of Object.keys(groups)) found[k] = new Set()
  for (const r of live.rows.values()) for (const [k, f] of Object.entries(groups)) found[k]!.add(f(r))
  return Object.fromEntries(Object.entries(found).map(([k, v]) => [k, [...v].sort()]))
}

function Filters({ q, choices }: { q: URLSearchParams; choices: Record<string, string[]> }) {
  const names: Record<string, string> = { state: 'State', kind: 'Outcome', partition: 'Partition', health: 'Health' }
  return (
    <form className="filters" role="search" aria-label="Hosts" onSubmit={(e) => e.preventDefault()}>
      <label>
        Search
        <input type="search" value={q.get('q') ?? ''} onChange={(e) => setQuery({ q: e.target.value })} placeholder="name, error, hardware…" />
      </label>
      {Object.entries(names).map(([k, name]) => (
        <label key={k}>
          {name}
          <select value={q.get(k) ?? ''} onChange={(e) => setQuery({ [k]: e.target.value })}>
            <option value="">any</option>
            {[...new Set([...(choices[k] ?? []), ...(q.get(k) ? [q.get(k)!] : [])])].map((v) => (
              <option key={v}>{v}</option>
            ))}
          </select>
        </label>
      ))}
      <label>
        Group by
        <select value={q.get('group') ?? ''} onChange={(e) => setQuery({ group: e.target.value })}>
          <option value="">nothing</option>
          {Object.keys(groups).map((g) => (
            <option key={g}>{g}</option>
          ))}
        </select>
      </label>
      <Chooser named={q.get('columns')} />
    </form>
  )
}

export const actions: [string, string, string][] = [
  ['on', 'Power on', ''],
  ['off', 'Power off', ''],
  ['reboot', 'Reboot', ''],
  ['deprovision', 'Deprovision', 'Everything on the disks of the hosts will be lost.'],
]

// Bulk asks the chosen hosts for something. What destroys asks for the number of hosts first.
export function Bulk({ picked, clear, fixed }: { picked: ReadonlySet<string>; clear?: () => void; fixed?: boolean }) {
  const [said, say] = useState<string[]>([])
  const [sure, ask] = useState<string>()
  const [typed, type] = useState('')
  const hosts = [...picked]
  const word = fixed ? (hosts[0]?.split('/')[1] ?? '') : String(hosts.length)
  const run = async (action: string) => {
    ask(undefined)
    type('')
    const a = await post('/hosts', { action, hosts })
    if (!a.ok) return say([(a.said as { error: string }).error])
    const failed = (a.said as { host: string; error?: string }[]).filter((r) => r.error)
    say([`${action}: asked ${hosts.length - failed.length} of ${hosts.length} hosts`, ...failed.slice(0, 10).map((f) => `${f.host}: ${f.error}`)])
    if (!failed.length) clear?.()
  }
  return (
    <div className="bulk" role="group" aria-label="Actions">
      {!fixed && <span>{hosts.length} chosen</span>}
      {actions.map(([action, name, danger]) => (
        <button key={action} type="button" disabled={!hosts.length} className={danger ? 'danger' : ''} onClick={() => (danger ? ask(action) : void run(action))}>
          {name}
        </button>
      ))}
      {sure && (
        <form
          className="sure"
          onSubmit={(e) => {
            e.preventDefault()
            if (typed.trim() === word) void run(sure)
          }}
        >
          <label>
            {actions.find((a) => a[0] === sure)?.[2]} Type {fixed ? `the host's name, ${word},` : `their number, ${word},`} to go on:
            <input autoFocus value={typed} onChange={(e) => type(e.target.value)} autoComplete="off" />
          </label>
          <button type="submit" className="danger" disabled={typed.trim() !== word}>
            Go on
          </button>
          <button type="button" onClick={() => ask(undefined)}>
            Cancel
          </button>
        </form>
      )}
      <div role="status" className="said">
        {said.map((s) => (
          <div key={s}>{s}</div>
        ))}
      </div>
    </div>
  )
}

interface GridProps {
  lines: Line[]
  shown: HostRow[]
  q: URLSearchParams
  picked: ReadonlySet<string>
  pick: (s: ReadonlySet<string>) => void
  selectable: boolean
}

// HostLine is a host in the list. Scrolling makes the grid anew with each frame, and its rows only where they are other ones.
const HostLine = memo(function HostLine(p: { r: HostRow; index: number; start: number; height: number; shown: Column[]; named: string | null; now: number; picked: boolean; toggle?: (key: string) => void }) {
  const key = `${p.r.namespace}/${p.r.name}`
  return (
    <div role="row" aria-rowindex={p.index + 2} className="line" style={{ transform: `translateY(${p.start}px)`, height: p.height }}>
      {p.toggle && (
        <span role="cell" className="c-pick">
          <input type="checkbox" aria-label={`Choose ${key}`} checked={p.picked} onChange={() => p.toggle!(key)} />
        </span>
      )}
      {p.shown.map((c) => (
        <span key={c.key} role="cell" className={cellClass(c, p.named)} title={c.key === 'since' ? undefined : c.of(p.r)}>
          {c.cell ? c.cell(p.r, p.now) : c.of(p.r)}
        </span>
      ))}
    </div>
  )
})

const cellClass = (c: Column, named: string | null) => (onPhone(c, named) ? `c-${c.key}` : `c-${c.key} wide`)

function Grid({ lines, shown, q, picked, pick, selectable }: GridProps) {
  const box = useRef<HTMLDivElement>(null)
  const now = useNow(5000)
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => box.current, estimateSize: () => 36, overscan: 12 })
  const sort = q.get('sort') ?? 'name'
  const down = q.get('order') === 'desc'
  const named = q.get('columns')
  const cols = useMemo(() => chosen(named), [named])
  const held = useRef(picked)
  held.current = picked
  const toggle = useCallback(
    (key: string) => {
      const next = new Set(held.current)
      if (!next.delete(key)) next.add(key)
      pick(next)
    },
    [pick],
  )
  const all = shown.length > 0 && shown.every((r) => picked.has(`${r.namespace}/${r.name}`))
  return (
    <div ref={box} className="grid hosts" role="region" aria-label="List of hosts" tabIndex={0}>
      <div role="table" aria-label="Hosts" aria-rowcount={lines.length + 1} style={widths(cols, selectable, named)}>
        <div role="rowgroup" className="head">
          <div role="row" aria-rowindex={1} className="line">
            {selectable && (
              <span role="columnheader" className="c-pick">
                <input type="checkbox" aria-label="Choose all that are shown" checked={all} onChange={() => pick(all ? new Set() : new Set(shown.map((r) => `${r.namespace}/${r.name}`)))} />
              </span>
            )}
            {cols.map((c) => (
              <span key={c.key} role="columnheader" className={cellClass(c, named)} aria-sort={sort === c.key ? (down ? 'descending' : 'ascending') : 'none'}>
                <button type="button" className="plain" onClick={() => setQuery({ sort: c.key === 'name' ? '' : c.key, order: sort === c.key && !down ? 'desc' : '' })}>
                  {c.name} <span aria-hidden="true">{sort === c.key ? (down ? '↓' : '↑') : ''}</span>
                </button>
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="body" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((v) => {
            const line = lines[v.index]!
            if ('group' in line)
              return (
                <div role="row" aria-rowindex={v.index + 2} key={`g ${line.group}`} className="line group" style={{ transform: `translateY(${v.start}px)`, height: v.size }}>
                  <span role="cell">
                    {line.group} <span className="quiet">({line.count})</span>
                  </span>
                </div>
              )
            const key = `${line.row.namespace}/${line.row.name}`
            return <HostLine key={key} r={line.row} index={v.index} start={v.start} height={v.size} shown={cols} named={named} now={now} picked={picked.has(key)} toggle={selectable ? toggle : undefined} />
          })}
        </div>
      </div>
    </div>
  )
}
