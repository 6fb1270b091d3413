// What the tests share: a browser that trusts one certificate, and what must hold on each page.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// patience bounds each wait for a condition, on a loaded machine.
export const patience = 120_000

export const base = need('INGOT_WEB_URL')

export function need(name) {
  const v = process.env[name]
  if (!v) throw new Error(`${name} is not set: go test ./test/web starts the site and these tests`)
  return v
}

export async function launch() {
  return chromium.launch({
    executablePath: process.env.INGOT_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--ignore-certificate-errors-spki-list=${need('INGOT_WEB_SPKI')}`,
    ],
  })
}

// watched is a new page of a context of its own; what it complains of is kept, and fails the test that asks for it.
export async function watched(browser, options = {}) {
  const context = await browser.newContext({ baseURL: base, ...options })
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  const complaints = []
  // A refused request is what some tests are about: the browser's own line on it is none of ours.
  page.on('console', (m) => {
    if (m.type() === 'error' && !m.text().startsWith('Failed to load resource')) complaints.push(m.text())
  })
  page.on('pageerror', (e) => complaints.push(String(e)))
  await page.addInitScript(() => {
    window.violations = []
    document.addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective}: ${e.blockedURI}`))
  })
  return { context, page, complaints }
}

// clean: nothing was complained of, no policy was violated, and axe finds nothing serious.
export async function clean({ page, complaints }, what) {
  assert.deepEqual(complaints, [], `${what}: the console has errors`)
  assert.deepEqual(await page.evaluate(() => window.violations), [], `${what}: the content security policy was violated`)
  // evaluate is the debugger's: the page's own policy would refuse a script that is put into it.
  await page.evaluate(axeSource + '; undefined')
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations)
  const bad = found.filter((v) => v.impact === 'serious' || v.impact === 'critical')
  assert.deepEqual(
    bad.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' ')}`),
    [],
    `${what}: axe finds serious violations`,
  )
}

// shot keeps a picture where somebody asked for pictures.
export async function shot(page, name) {
  const dir = process.env.INGOT_WEB_SHOTS
  if (dir) await page.screenshot({ path: join(dir, `${name}.png`) })
}

export async function login(page) {
  await page.goto('/')
  await page.getByLabel('Token of the API server').fill(need('INGOT_WEB_TOKEN'))
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
}

// tabTo presses Tab until what is wanted has the focus.
export async function tabTo(page, wanted, most = 60) {
  for (let i = 0; i < most; i++) {
    if (await wanted.evaluate((e) => e === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  assert.fail('not reached by Tab')
}

// choose picks a value of a list by keys. Letters would do as well, but for a slow machine: after a second they begin a new word.
export async function choose(page, select, value) {
  await tabTo(page, select)
  const list = await select.elementHandle()
  for (let i = 0; i < 100; i++) {
    const was = await select.inputValue()
    if (was === value) return
    await page.keyboard.press('ArrowDown')
    await page.waitForFunction(([e, was]) => e.value !== was, [list, was])
  }
  assert.fail(`${value} is not in the list`)
}

// fits: nothing makes the page wider than the screen.
export async function fits(page) {
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the phone')
}

// twin: the page is there in JSON, by its name and by what is asked for, and has what is named.
export async function twin(page, path, has) {
  const [named, asked] = await page.evaluate(async (path) => {
    const get = async (p, accept) => {
      const r = await fetch(p, { headers: { Accept: accept } })
      return [r.status, r.headers.get('Content-Type'), Object.keys(await r.json())]
    }
    return [await get(`${path}.json`, 'text/html'), await get(path, 'application/json')]
  }, path)
  assert.deepEqual(named, asked)
  assert.equal(named[0], 200)
  assert.ok(named[2].includes(has), `${path} has no ${has}`)
}
