// The place is the URL, and nothing else: filters, grouping and search stand in its query, so that a link shows another person the same.
import { useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()

function say() {
  for (const l of listeners) l()
}

addEventListener('popstate', say)

// go changes the place; stay: what is looked at is another part of the same page, which is not scrolled.
export function go(to: string, replace = false, stay = false) {
  if (replace) history.replaceState(null, '', to)
  else {
    history.pushState(null, '', to)
    if (!stay) scrollTo(0, 0)
  }
  say()
}

function subscribe(f: () => void) {
  listeners.add(f)
  return () => void listeners.delete(f)
}

export function usePlace(): URL {
  const href = useSyncExternalStore(subscribe, () => location.href)
  return new URL(href)
}

// setQuery changes parts of the query; an empty value takes one away.
export function setQuery(change: Record<string, string>) {
  const u = new URL(location.href)
  for (const [k, v] of Object.entries(change)) {
    if (v) u.searchParams.set(k, v)
    else u.searchParams.delete(k)
  }
  go(u.pathname + u.search, true)
}

// follow makes plain links of this site change the place without loading the page anew.
export function follow(e: MouseEvent) {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
  const a = (e.target as Element).closest?.('a')
  if (!a || a.target || a.hasAttribute('download') || a.origin !== location.origin || a.pathname.endsWith('.json')) return
  if (a.hash && a.pathname === location.pathname) return
  // The documentation is pages of its own.
  if (a.pathname.startsWith('/docs/')) return
  e.preventDefault()
  go(a.pathname + a.search)
  document.getElementById('main')?.focus({ preventScroll: true })
}
