// A page's content and its changes, as the server tells them (server-sent events). Nothing is asked for twice but after a lost connection.
import { useEffect, useRef, useState } from 'react'

export interface Failure {
  code: number
  error: string
}

export interface Live<Body, Row> {
  body?: Body
  rows: Map<string, Row>
  // version grows with each change of the rows, which are changed in place.
  version: number
  failure?: Failure
  connected: boolean
}

interface Change {
  body?: unknown
  rows?: unknown[]
  gone?: string[]
  all?: boolean
}

export function keyOf(row: { namespace?: string; name?: string; key?: string }): string {
  return row.key ?? `${row.namespace}/${row.name}`
}

// why asks once, plainly, for what an EventSource does not tell.
async function why(path: string): Promise<Failure> {
  try {
    const r = await fetch(path, { headers: { Accept: 'application/json' } })
    if (r.ok) return { code: 0, error: 'the connection was lost' }
    const said = (await r.json()) as { error?: string }
    return { code: r.status, error: said.error ?? r.statusText }
  } catch {
    return { code: 0, error: 'the server cannot be reached; trying again' }
  }
}

const again = 2000

export function useLive<Body, Row>(path: string, onLogout: () => void): Live<Body, Row> {
  const [state, set] = useState<Live<Body, Row>>({ rows: new Map(), version: 0, connected: false })
  const shown = useRef('')
  useEffect(() => {
    let over = false
    let source: EventSource | undefined
    let timer = 0
    const rows = new Map<string, Row>()
    // Of another query of the same page what is there stays until the new is: nothing flickers, and the focus stays where it is.
    const page = path.split('?')[0]!
    set((s) => (shown.current === page ? { ...s, failure: undefined } : { rows, version: 0, connected: false }))
    shown.current = page
    const failed = (f: Failure) => {
      if (over) return
      if (f.code === 401) onLogout()
      else set((s) => ({ ...s, connected: false, failure: f }))
      if (f.code === 0 || f.code >= 500) timer = window.setTimeout(open, again)
    }
    const open = () => {
      if (over) return
      source = new EventSource(path)
      source.addEventListener('change', (e) => {
        const c = JSON.parse((e as MessageEvent<string>).data) as Change
        if (c.all) rows.clear()
        for (const r of c.rows ?? []) rows.set(keyOf(r as never), r as Row)
        for (const k of c.gone ?? []) rows.delete(k)
        set((s) => ({ body: (c.body as Body | undefined) ?? s.body, rows, version: s.version + 1, connected: true }))
      })
      source.addEventListener('failure', (e) => {
        source?.close()
        failed(JSON.parse((e as MessageEvent<string>).data) as Failure)
      })
      source.onerror = () => {
        source?.close()
        void why(path).then(failed)
      }
    }
    open()
    return () => {
      over = true
      source?.close()
      clearTimeout(timer)
    }
    // onLogout is the same for the app's whole life.
  }, [path])
  return state
}

// keeping is a path with those parts of the query that the server is to know: the project that is looked at, and what else is named.
export function keeping(path: string, q: URLSearchParams, ...keys: string[]): string {
  const out = new URLSearchParams()
  for (const k of ['namespace', ...keys]) if (q.get(k)) out.set(k, q.get(k)!)
  return out.size ? `${path}?${out}` : path
}

export async function post(path: string, what: unknown): Promise<{ ok: boolean; code: number; said: unknown }> {
  try {
    const r = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: JSON.stringify(what) })
    return { ok: r.ok, code: r.status, said: await r.json() }
  } catch {
    return { ok: false, code: 0, said: { error: 'the server cannot be reached: try again' } }
  }
}
