// Logging in at the site's issuer: a real one, on its own pages.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { base, clean, launch, need, shot, tabTo, watched } from './browser.mjs'

const issuer = need('INGOT_WEB_ISSUER')
let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const button = (page) => page.getByRole('button', { name: `Log in at ${new URL(issuer).host}` })

// enter types who that is into the issuer's own page. The API server reads the issuer's keys in the background: until it has, it knows nobody.
async function enter(page, name) {
  await page.getByLabel('Username').fill(name)
  await page.getByLabel('Password').fill('good')
  await page.keyboard.press('Enter')
}

async function logIn(page, name, where) {
  const me = page.getByText(`oidc:${name}`, { exact: true })
  const early = page.getByRole('alert').getByText('knows no such token')
  for (;;) {
    await page.goto(where)
    await button(page).click()
    await enter(page, name)
    await me.or(early).first().waitFor()
    if (!(await early.isVisible())) return
  }
}

// begin asks for a login as the page does, without going to the issuer.
async function begin(page) {
  return page.evaluate(async (issuer) => {
    const r = await fetch('/session/issuer', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ issuer, then: '/hosts' }) })
    return (await r.json()).url
  }, issuer)
}

// caught does what the issuer's page does, and gives the address that the browser would be sent back to.
async function caught({ page, context }) {
  const how = { maxRedirects: 0, ignoreHTTPSErrors: true }
  const id = await page.locator('input[name=id]').inputValue()
  let r = await context.request.post(`${issuer}/login/username`, { ...how, form: { id, username: 'alice', password: 'good' } })
  for (;;) {
    const to = r.headers().location
    assert.ok(to, `the issuer answers ${r.status()}`)
    const next = new URL(to, issuer)
    if (next.origin === base) return next.href
    r = await context.request.get(next.href, how)
  }
}

test('who logs in at the issuer comes back to where they wanted to go, with their own rights, until the token ends', async () => {
  const w = await watched(browser)
  const { page } = w
  await page.goto('/hosts?state=available')
  await button(page).waitFor()
  await shot(page, 'login-issuer')
  await clean(w, 'login with an issuer')
  await tabTo(page, button(page))
  await page.keyboard.press('Enter')
  await page.getByLabel('Username').waitFor()
  assert.equal(new URL(page.url()).origin, new URL(issuer).origin)
  await logIn(page, 'alice', '/hosts?state=available')
  await page.getByRole('heading', { name: 'Hosts' }).waitFor()
  // Her group's rights: who has none is told so in place of this.
  await page.getByText('There are no hosts yet').waitFor()
  assert.equal(page.url(), `${base}/hosts?state=available`)
  const cookies = await w.context.cookies(base)
  assert.deepEqual(cookies.map((c) => [c.name, c.httpOnly, c.secure, c.sameSite]), [['__Host-ingot', true, true, 'Strict']])
  assert.ok(cookies[0].expires <= Date.now() / 1000 + 1800, 'the session outlives the token')
  await shot(page, 'hosts-issuer')
  await clean(w, 'logged in at the issuer')
  await page.getByRole('button', { name: 'Log out' }).click()
  await button(page).waitFor()
  await w.context.addCookies(cookies)
  assert.equal((await w.context.request.get('/hosts.json', { ignoreHTTPSErrors: true })).status(), 401)
  await w.context.close()
})

test('who is in no group that the site knows is logged in, and sees nothing', async () => {
  const w = await watched(browser)
  await logIn(w.page, 'bob', '/')
  await w.page.getByRole('alert').getByText('your rights do not reach').waitFor()
  await w.context.close()
})

test('an answer that nobody asked for logs nobody in', async () => {
  const w = await watched(browser)
  await w.page.goto('/login/callback?code=guessed&state=guessed')
  await w.page.getByRole('alert').getByText('no answer to a login that this browser began').waitFor()
  assert.equal(w.page.url(), `${base}/`)
  await clean(w, 'an answer that nobody asked for')
  await w.context.close()
})

test('an answer is good in the browser that asked, and once', async () => {
  const mine = await watched(browser)
  const other = await watched(browser)
  await mine.page.goto('/')
  await other.page.goto('/')
  const ask = new URL(await begin(mine.page))
  assert.equal(ask.searchParams.get('code_challenge_method'), 'S256')
  assert.ok(ask.searchParams.get('nonce').length >= 43 && ask.searchParams.get('state').length >= 43)
  await mine.page.goto(ask.href)
  const answer = await caught(mine)
  await begin(other.page)
  await other.page.goto(answer)
  await other.page.getByRole('alert').getByText('no answer to a login that this browser began').waitFor()
  await mine.page.goto(answer)
  await mine.page.getByText('oidc:alice', { exact: true }).waitFor()
  assert.equal(mine.page.url(), `${base}/hosts`)
  await mine.page.goto(answer)
  await mine.page.getByRole('alert').getByText('used before').waitFor()
  await mine.context.close()
  await other.context.close()
})

test('the issuer’s refusal is told in its words', async () => {
  const w = await watched(browser)
  await w.page.goto('/')
  const state = new URL(await begin(w.page)).searchParams.get('state')
  await w.page.goto(`/login/callback?error=access_denied&error_description=not+today&state=${state}`)
  await w.page.getByRole('alert').getByText('access_denied: not today').waitFor()
  assert.equal((await w.context.cookies(base)).length, 0)
  await w.context.close()
})
