// Figures of the page, for bench/web: printed, never asserted. Arguments: rounds, hosts in the fleet, one host.
import { launch, need, patience, watched } from './browser.mjs'

const [rounds, hosts, one] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]]
const median = (a) => a.toSorted((x, y) => x - y)[Math.floor(a.length / 2)]
const ms = (n) => `${n.toFixed(0)} ms`

// open gives when something was painted first, and when what is wanted was there, counted from the navigation's start.
async function open(context, path, wanted) {
  const page = await context.newPage()
  await page.goto(path)
  await page.waitForFunction((w) => document.querySelector(w), wanted, { timeout: patience, polling: 'raf' })
  const content = await page.evaluate(() => performance.now())
  const paint = await page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((l) => l.getEntriesByName('first-contentful-paint').forEach((e) => resolve(e.startTime))).observe({ type: 'paint', buffered: true })
      }),
  )
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').reduce((n, e) => n + e.encodedBodySize, 0))
  return { page, paint, content, loaded }
}

// scroll goes through the whole list, a screen a frame at most, and gives the gaps between frames and the long tasks.
async function scroll(page) {
  return page.evaluate(
    () =>
      new Promise((resolve) => {
        const box = document.querySelector('.grid')
        const long = []
        const seen = new PerformanceObserver((l) => long.push(...l.getEntries().map((e) => e.duration)))
        seen.observe({ type: 'longtask' })
        const gaps = []
        let last = 0
        const frame = (now) => {
          if (last) gaps.push(now - last)
          last = now
          if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) {
            // Observers are told after the frame.
            setTimeout(() => {
              seen.disconnect()
              resolve({ gaps, long, height: box.scrollHeight })
            }, 200)
            return
          }
          box.scrollTop += box.clientHeight
          requestAnimationFrame(frame)
        }
        requestAnimationFrame(frame)
      }),
  )
}

// first is the size of a stream's first message, as JSON.
async function first(page, path) {
  return page.evaluate(async (path) => {
    const stop = new AbortController()
    const r = await fetch(path, { headers: { Accept: 'text/event-stream' }, signal: stop.signal })
    let n = 0
    let end = ''
    for (const reader = r.body.getReader(); ; ) {
      const { value, done } = await reader.read()
      if (done) break
      n += value.length
      end = (end + new TextDecoder().decode(value.slice(-2))).slice(-2)
      if (end === '\n\n') break
    }
    stop.abort()
    return n
  }, path)
}

const browser = await launch()
try {
  const { context, page } = await watched(browser, { viewport: { width: 1280, height: 800 } })
  await page.goto(need('INGOT_WEB_LINK'))
  await page.locator('.tile').first().waitFor()
  console.log(`${'page'.padEnd(12)} ${'first paint'.padEnd(26)} ${'content'.padEnd(26)} first message`)
  for (const [name, path, wanted] of [
    ['overview', '/', '.tile'],
    ['hosts', '/hosts', '.grid .body .line'],
    ['host', `/hosts/${one}`, '.timeline'],
    // The fleet has hosts alone: what these show is little, but their way to the first paint is every page's.
    ...['machines', 'networks', 'firewalls', 'images', 'sizes', 'matrix', 'audit', 'settings'].map((name) => [name, `/${name}`, '.title']),
  ]) {
    const all = []
    for (let i = 0; i < rounds; i++) {
      const o = await open(context, path, wanted)
      all.push(o)
      await o.page.close()
    }
    const show = (k) => `median ${ms(median(all.map((o) => o[k])))}, worst ${ms(Math.max(...all.map((o) => o[k])))}`
    console.log(`${name.padEnd(12)} ${show('paint').padEnd(26)} ${show('content').padEnd(26)} ${((await first(page, path)) / 1024).toFixed(0)} KiB of JSON`)
  }
  const list = await open(context, '/hosts', '.grid .body .line')
  for (let i = 1; i <= rounds; i++) {
    const s = await scroll(list.page)
    const sorted = s.gaps.toSorted((a, b) => a - b)
    console.log(
      `scrolled ${hosts} hosts, ${s.gaps.length} frames: gap median ${ms(median(s.gaps))}, 99th ${ms(sorted[Math.floor(sorted.length * 0.99)])}, worst ${ms(sorted.at(-1))}; tasks over 50 ms: ${s.long.length}${s.long.length ? `, longest ${ms(Math.max(...s.long))}` : ''}`,
    )
    await list.page.evaluate(() => {
      document.querySelector('.grid').scrollTop = 0
    })
  }
} finally {
  await browser.close()
}
