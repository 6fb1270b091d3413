// How things are said: times, sizes, states. Icons never carry meaning alone.
import { useEffect, useState } from 'react'

export function useNow(everyMs = 1000): number {
  const [now, set] = useState(Date.now())
  useEffect(() => {
    const t = setInterval(() => set(Date.now()), everyMs)
    return () => clearInterval(t)
  }, [everyMs])
  return now
}

export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${s}s`
  if (s < 3600) return `${Math.floor(s / 60)}m${s % 60 ? ` ${s % 60}s` : ''}`
  if (s < 86400) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`
  return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`
}

export function Since({ at, now, age }: { at?: string; now: number; age?: boolean }) {
  if (!at) return null
  const t = Date.parse(at)
  const text = t > now ? `in ${span(t - now)}` : `${span(now - t)}${age ? '' : ' ago'}`
  return (
    <time dateTime={at} title={new Date(t).toLocaleString()}>
      {text}
    </time>
  )
}

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024
    i++
  }
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`
}

const kinds: Record<string, [string, string, string]> = {
  wait: ['…', 'waits', 'wait'],
  step: ['▸', 'works', 'work'],
  done: ['✓', 'as wished', 'good'],
  blocked: ['!', 'blocked', 'bad'],
}

export function Kind({ kind, error }: { kind?: string; error?: string }) {
  const [icon, word, tone] = error ? ['!', error, 'bad'] : (kinds[kind ?? ''] ?? ['·', 'new', 'quiet'])
  return (
    <span className={`badge ${tone}`}>
      <span aria-hidden="true">{icon}</span> {word}
    </span>
  )
}

const severities: Record<string, string> = { critical: 'bad', major: 'warn', minor: 'quiet' }

export function Severity({ level }: { level: string }) {
  return <span className={`badge ${severities[level] ?? 'quiet'}`}>{level}</span>
}

export function Bar({ percent, label }: { percent: number; label: string }) {
  return <progress max={100} value={percent} aria-label={label} />
}

// State is what a Ready condition says.
export function State({ ready, reason }: { ready: string; reason?: string }) {
  const [icon, tone] = ready === 'True' ? ['✓', 'good'] : ready === 'False' ? ['!', 'bad'] : ['·', 'quiet']
  return (
    <span className={`badge ${tone}`}>
      <span aria-hidden="true">{icon}</span> {reason || 'new'}
    </span>
  )
}
