import { useCallback, useEffect, useRef, useState } from 'react'
import { callback, Login } from './pages/login'
import { Overview } from './pages/overview'
import { Hosts } from './pages/hosts'
import { Host } from './pages/host'
import { Matrix } from './pages/matrix'
import { Firewalls } from './pages/firewalls'
import { Firewall } from './pages/firewall'
import { Audit, AuditRecord } from './pages/audit'
import { Images } from './pages/images'
import { Machine } from './pages/machine'
import { Machines } from './pages/machines'
import { Networks } from './pages/networks'
import { Network } from './pages/network'
import { Sizes } from './pages/sizes'
import { Settings } from './pages/settings'
import { follow, go, usePlace } from './router'

export interface Me {
  name: string
  groups?: string[]
  until: string
}

const places: [string, string][] = [
  ['/', 'Overview'],
  ['/hosts', 'Hosts'],
  ['/machines', 'Machines'],
  ['/networks', 'Networks'],
  ['/firewalls', 'Firewalls'],
  ['/images', 'Images'],
  ['/sizes', 'Sizes'],
  ['/matrix', 'Matrix'],
  ['/audit', 'Audit'],
  ['/settings', 'Settings'],
  ['/docs/', 'Docs'],
]

export interface PageProps {
  place: URL
  onLogout: () => void
}

function pageOf(place: URL): { title: string; Page: (p: PageProps) => React.ReactNode } {
  const path = place.pathname.replace(/\/$/, '') || '/'
  const parts = path.split('/').slice(1)
  if (path === '/') return { title: 'Overview', Page: Overview }
  if (path === '/hosts') return { title: 'Hosts', Page: Hosts }
  if (parts[0] === 'hosts' && parts.length === 3) return { title: decodeURIComponent(parts[2] ?? ''), Page: Host }
  if (path === '/firewalls') return { title: 'Firewalls', Page: Firewalls }
  if (parts[0] === 'firewalls' && parts.length === 3) return { title: decodeURIComponent(parts[2] ?? ''), Page: Firewall }
  if (path === '/settings') return { title: 'Settings', Page: Settings }
  if (path === '/audit') return { title: 'Audit', Page: Audit }
  if (parts[0] === 'audit' && parts.length === 2) return { title: `Record ${parts[1]}`, Page: AuditRecord }
  if (path === '/machines') return { title: 'Machines', Page: Machines }
  if (parts[0] === 'machines' && parts.length === 3) return { title: decodeURIComponent(parts[2] ?? ''), Page: Machine }
  if (path === '/networks') return { title: 'Networks', Page: Networks }
  if (parts[0] === 'networks' && parts.length === 3) return { title: decodeURIComponent(parts[2] ?? ''), Page: Network }
  if (path === '/images') return { title: 'Images', Page: Images }
  if (path === '/sizes') return { title: 'Sizes', Page: Sizes }
  if (path === '/matrix') return { title: 'Communication matrix', Page: Matrix }
  return { title: 'Not found', Page: Missing }
}

function Missing() {
  return (
    <>
      <h1>There is no such page</h1>
      <p>
        <a href="/">The overview</a> shows where to go on.
      </p>
    </>
  )
}

type Phase = { at: 'asking' } | { at: 'out'; said?: string } | { at: 'in'; me: Me }

export function App() {
  const place = usePlace()
  const [phase, set] = useState<Phase>({ at: 'asking' })
  const ask = useCallback(async () => {
    try {
      const r = await fetch('/session')
      if (r.ok) set({ at: 'in', me: (await r.json()) as Me })
      else set({ at: 'out' })
    } catch {
      set({ at: 'out', said: 'The server cannot be reached.' })
    }
  }, [])
  useEffect(() => {
    // A login link brings its code behind the #, which no server and no log sees.
    if (location.pathname === '/login' && location.hash.length > 1) {
      const code = location.hash.slice(1)
      history.replaceState(null, '', '/')
      void fetch('/session/link', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code }) }).then(async (r) => {
        const said = (await r.json()) as Me & { error?: string }
        if (r.ok) {
          go('/', true)
          set({ at: 'in', me: said })
        } else set({ at: 'out', said: said.error })
      })
      return
    }
    if (location.pathname === '/login/callback') {
      void callback().then(({ me, then, said }) => {
        go(then, true)
        set(me ? { at: 'in', me } : { at: 'out', said })
      })
      return
    }
    void ask()
  }, [ask])
  useEffect(() => {
    document.addEventListener('click', follow)
    return () => document.removeEventListener('click', follow)
  }, [])
  const onLogout = useCallback(() => set({ at: 'out', said: 'Your session is over: log in again.' }), [])
  const { title, Page } = pageOf(place)
  useEffect(() => {
    document.title = phase.at === 'in' ? `${title} · Ingot` : 'Ingot'
  }, [title, phase.at])
  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="top">
        <a className="brand" href="/">
          Ingot
        </a>
        {phase.at === 'in' && <Menu place={place} me={phase.me} out={() => set({ at: 'out' })} />}
      </header>
      <main className="page" id="main" tabIndex={-1}>
        {phase.at === 'asking' && <p className="quiet">Loading…</p>}
        {phase.at === 'out' && <Login said={phase.said} enter={(me) => set({ at: 'in', me })} />}
        {phase.at === 'in' && <Page key={place.pathname} place={place} onLogout={onLogout} />}
      </main>
    </>
  )
}

function Menu({ place, me, out }: { place: URL; me: Me; out: () => void }) {
  const here = (path: string) => (path === '/' ? place.pathname === '/' : place.pathname === path || place.pathname.startsWith(path + '/'))
  // On a phone the menu is wider than the screen: the page that is open is in sight.
  const nav = useRef<HTMLElement>(null)
  useEffect(() => {
    const open = nav.current?.querySelector<HTMLElement>('[aria-current]')
    if (nav.current && open) nav.current.scrollLeft = open.offsetLeft - nav.current.offsetLeft - (nav.current.clientWidth - open.offsetWidth) / 2
  }, [place.pathname])
  return (
    <>
      <nav aria-label="Pages" ref={nav}>
        {places.map(([path, name]) => (
          <a key={path} href={path} aria-current={here(path) ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <span className="me" title={`until ${new Date(me.until).toLocaleString()}`}>
        {me.name}
      </span>
      <button
        type="button"
        className="plain"
        onClick={() => {
          void fetch('/session', { method: 'DELETE' }).finally(out)
        }}
      >
        Log out
      </button>
    </>
  )
}
