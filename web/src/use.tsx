// How full something is: a bar with its parts, and the numbers in words.
import type { CSSProperties } from 'react'

export interface Use {
  prefix?: string
  family: string
  size: number
  held: number
  resting: number
  free: number
  sizeText: string
  freeText: string
}

// number writes what nobody reads as a power of two.
export function number(n: number): string {
  if (n <= 2 ** 40) return n.toLocaleString('en')
  const power = Math.log2(n)
  return `${Number.isInteger(power) ? '' : '~'}2^${Math.ceil(power)}`
}

// free is how much is free; what is more than the server counts to is its to say.
export const free = (u: Use) => (u.free <= 2 ** 40 ? number(u.free) : u.freeText)

export function percent(part: number, of: number): string {
  if (!of) return ''
  const p = (100 * part) / of
  return p > 0 && p < 1 ? '<1 %' : p < 100 && p > 99 ? '>99 %' : `${Math.round(p)} %`
}

// share is how much of a bar a part is: what is there is seen, and never said to be all where it is not.
export function share(part: number, of: number): number {
  if (!of || !part) return 0
  return part >= of ? 100 : Math.min(97, Math.max(3, (100 * part) / of))
}

export function UseBar({ use: u, label }: { use: Use; label: string }) {
  const used = u.size - Math.min(u.free, u.size)
  const text = u.size ? `${number(u.held)} held${u.resting ? `, ${number(u.resting)} resting` : ''}, ${free(u)} free of ${u.size <= 2 ** 40 ? number(u.size) : u.sizeText}` : 'nothing to give'
  const held = share(u.held, u.size)
  return (
    <span className="use" role="img" aria-label={`${label}: ${percent(used, u.size) || '0 %'} used: ${text}`} title={text}>
      <span className="bar" style={{ '--h': `${held}%`, '--r': `${Math.min(100, held + share(u.resting, u.size))}%` } as CSSProperties} />
      <span className="part">{percent(used, u.size)}</span>
    </span>
  )
}
