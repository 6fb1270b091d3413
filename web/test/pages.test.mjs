import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { base, choose, clean, launch, login, need, patience, shot, tabTo, watched } from './browser.mjs'

let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 800 } }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

// opened is a page for somebody who is logged in.
async function opened(options = wide) {
  const w = await watched(browser, options)
  await login(w.page)
  return w
}

describe('logging in', () => {
  test('the link is good once, and leaves no trace in the address', async () => {
    const w = await watched(browser)
    await w.page.goto(need('INGOT_WEB_LINK'))
    await w.page.getByText('ingot:operator:web-admin').waitFor()
    assert.equal(w.page.url(), `${base}/`)
    const cookie = (await w.context.cookies()).find((c) => c.name === '__Host-ingot')
    assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite], [true, true, 'Strict'])
    assert.equal(await w.page.evaluate(() => document.cookie), '')
    const other = await watched(browser)
    await other.page.goto(need('INGOT_WEB_LINK'))
    await other.page.getByRole('alert').getByText('used before').waitFor()
    await clean(other, 'a link that was used')
    await w.context.close()
    await other.context.close()
  })

  test('a wrong token is refused, a right one lets in by keys alone, and logging out ends the session', async () => {
    const w = await watched(browser)
    await w.page.goto('/hosts')
    const field = w.page.getByLabel('Token of the API server')
    await field.waitFor()
    await clean(w, 'login')
    await tabTo(w.page, field)
    await w.page.keyboard.type('not-a-token')
    await w.page.keyboard.press('Enter')
    await w.page.getByRole('alert').getByText('knows no such token').waitFor()
    await field.fill(need('INGOT_WEB_TOKEN'))
    await w.page.keyboard.press('Enter')
    // Who logs in stays where they wanted to go.
    await w.page.getByRole('heading', { name: 'Hosts' }).waitFor()
    const cookies = await w.context.cookies()
    await w.page.getByRole('button', { name: 'Log out' }).click()
    await field.waitFor()
    await w.context.addCookies(cookies)
    assert.equal((await w.context.request.get('/hosts.json', { headers: { Accept: 'application/json' }, ignoreHTTPSErrors: true })).status(), 401)
    await w.context.close()
  })

  test('who has no rights sees none of the site, and is told why', async () => {
    const w = await watched(browser)
    await w.page.goto('/')
    await w.page.getByLabel('Token of the API server').fill(need('INGOT_WEB_STRANGER_TOKEN'))
    await w.page.keyboard.press('Enter')
    await w.page.getByRole('alert').getByText('your rights do not reach').waitFor()
    await w.page.getByRole('link', { name: 'Hosts', exact: true }).click()
    await w.page.getByRole('alert').getByText('cannot list resource').waitFor()
    assert.equal(await w.page.getByText('node-0').count(), 0)
    await clean(w, 'no rights')
    await w.context.close()
  })
})

describe('overview', () => {
  test('says how many hosts are where and what is wrong, and leads on', async () => {
    const w = await opened()
    const { page } = w
    await page.getByRole('link', { name: '2 provisioned' }).waitFor()
    await page.getByRole('region', { name: 'What is wrong' }).getByText('node-5').first().waitFor()
    await page.getByRole('region', { name: 'Capacity' }).waitFor()
    await shot(page, 'overview-light')
    await clean(w, 'overview')
    const tile = page.getByRole('link', { name: '2 provisioned' })
    await tabTo(page, tile)
    await page.keyboard.press('Enter')
    await page.getByText('2 of 6').waitFor()
    assert.equal(new URL(page.url()).search, '?state=provisioned')
    await w.context.close()
  })

  test('fits a phone, in the dark', async () => {
    const w = await opened(phone)
    await w.page.getByRole('region', { name: 'Capacity' }).waitFor()
    assert.ok(await w.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the phone')
    await shot(w.page, 'overview-phone')
    await clean(w, 'overview on a phone')
    await w.context.close()
  })
})

describe('hosts', () => {
  test('search, filters and grouping are in the URL', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/hosts')
    await page.getByText('6 of 6').waitFor()
    await page.getByLabel('Search').fill('node-3')
    await page.getByText('1 of 6').waitFor()
    assert.equal(new URL(page.url()).searchParams.get('q'), 'node-3')
    await page.reload()
    await page.getByText('1 of 6').waitFor()
    await page.getByLabel('Search').fill('')
    await page.getByLabel('Group by').selectOption('state')
    await page.getByRole('row', { name: /^provisioned \(2\)/ }).waitFor()
    await page.getByRole('button', { name: 'Host' }).click()
    assert.equal(new URL(page.url()).searchParams.get('order'), 'desc')
    await shot(page, 'hosts-light')
    await clean(w, 'hosts')
    await w.context.close()
  })

  test('chosen hosts are powered on together, and the list tells of it by itself', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/hosts?state=available')
    for (const name of ['node-2', 'node-3']) {
      const box = page.getByRole('checkbox', { name: `Choose default/${name}` })
      await box.waitFor()
      await tabTo(page, box)
      await page.keyboard.press('Space')
    }
    await page.getByText('2 chosen').waitFor()
    const on = page.getByRole('button', { name: 'Power on' })
    await on.focus()
    await page.keyboard.press('Enter')
    await page.getByText('on: asked 2 of 2 hosts').waitFor()
    // Nothing is loaded anew: the server tells.
    for (const name of ['node-2', 'node-3']) {
      await page.getByRole('row', { name: new RegExp(`${name}.*available on`) }).waitFor()
    }
    await clean(w, 'hosts after an action')
    await w.context.close()
  })

  test('who may look only is offered no actions, and is refused them', async () => {
    const w = await watched(browser, wide)
    await w.page.goto('/hosts')
    await w.page.getByLabel('Token of the API server').fill(need('INGOT_WEB_VIEWER_TOKEN'))
    await w.page.keyboard.press('Enter')
    await w.page.getByRole('link', { name: 'node-3' }).waitFor()
    assert.equal(await w.page.getByRole('group', { name: 'Actions' }).count(), 0)
    const said = await w.page.evaluate(async () => {
      const r = await fetch('/hosts', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ action: 'off', hosts: ['default/node-0'] }) })
      return r.json()
    })
    assert.match(said[0].error, /forbidden/)
    await w.context.close()
  })

  test('fits a phone', async () => {
    const w = await opened(phone)
    await w.page.goto('/hosts')
    await w.page.getByRole('link', { name: 'node-3' }).waitFor()
    assert.ok(await w.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the phone')
    await shot(w.page, 'hosts-phone')
    await clean(w, 'hosts on a phone')
    await w.context.close()
  })

  test('columns are chosen by keys, and the link keeps them', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/hosts')
    await page.getByRole('columnheader', { name: 'Hardware' }).waitFor()
    await page.getByText('Columns', { exact: true }).focus()
    await page.keyboard.press('Enter')
    await page.getByLabel('Namespace', { exact: true }).focus()
    await page.keyboard.press('Space')
    await page.getByRole('columnheader', { name: 'Namespace' }).waitFor()
    await page.getByLabel('Hardware', { exact: true }).focus()
    await page.keyboard.press('Space')
    await page.getByRole('columnheader', { name: 'Hardware' }).waitFor({ state: 'detached' })
    await clean(w, 'the columns to choose from')
    await shot(page, 'hosts-columns')
    await page.keyboard.press('Escape')
    await page.getByLabel('Namespace', { exact: true }).waitFor({ state: 'hidden' })
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Columns')
    assert.equal(new URL(page.url()).searchParams.get('columns'), 'name,namespace,state,power,now,since,consumer')
    await page.reload()
    await page.getByRole('columnheader', { name: 'Namespace' }).getByRole('button').click()
    await page.getByRole('columnheader', { name: 'Namespace' }).and(page.locator('[aria-sort=ascending]')).waitFor()
    assert.deepEqual(await page.getByRole('row').nth(1).getByRole('cell').nth(2).textContent(), 'default')
    await page.goto('/hosts?columns=now,nonsense')
    await page.getByRole('columnheader', { name: 'Now' }).waitFor()
    assert.equal(await page.getByRole('columnheader').count(), 3)
    await w.context.close()
    const small = await opened(phone)
    await small.page.goto('/hosts?columns=now,bmc')
    await small.page.getByRole('columnheader', { name: 'BMC' }).waitFor()
    await clean(small, 'chosen columns on a phone')
    await shot(small.page, 'hosts-columns-phone')
    await small.context.close()
  })
})

describe('host', () => {
  test('shows its life, hardware and wipes, and is taken back by typing its name', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/hosts')
    await page.getByRole('link', { name: 'node-1', exact: true }).click()
    await page.getByRole('heading', { name: 'node-1' }).waitFor()
    await page.getByRole('listitem').filter({ hasText: 'provisioning' }).first().waitFor()
    await page.getByRole('region', { name: 'Disks' }).getByRole('row').nth(2).waitFor()
    await page.getByRole('region', { name: 'Wipes' }).getByText('clean').first().waitFor()
    await shot(page, 'host-light')
    await clean(w, 'host')
    await page.getByRole('button', { name: 'Deprovision' }).click()
    const sure = page.getByRole('button', { name: 'Go on' })
    assert.ok(await sure.isDisabled())
    await page.keyboard.type('node-1')
    await page.keyboard.press('Enter')
    await page.getByText('deprovision: asked 1 of 1 hosts').waitFor()
    await page.getByLabel('Now').getByText('available', { exact: true }).waitFor({ timeout: patience })
    await clean(w, 'host after it was taken back')
    await w.context.close()
  })

  test('the timeline says what was to be expected', async () => {
    const w = await opened()
    await w.page.goto('/hosts/default/node-0')
    await w.page.locator('.timeline li', { hasText: 'inspecting' }).getByText(/usually \d+s/).first().waitFor()
    const twin = await w.page.evaluate(async () => (await fetch('/hosts/default/node-0.json')).json())
    assert.ok(twin.body.paces.length && twin.body.paces.every((p) => p.seconds <= p.slow && p.samples >= 5))
    await shot(w.page, 'host-timeline')
    await clean(w, 'a host with its paces')
    await w.context.close()
  })

  test('says why one is stuck', async () => {
    const w = await opened({ ...wide, colorScheme: 'dark' })
    await w.page.goto('/hosts/default/node-5')
    await w.page.getByLabel('Now').getByText('registration error').first().waitFor()
    await w.page.getByText('What helps').waitFor()
    await shot(w.page, 'host-dark')
    await clean(w, 'a host that is stuck')
    await w.context.close()
  })

  test('one that is not there is said to be missing', async () => {
    const w = await opened()
    await w.page.goto('/hosts/default/nobody')
    await w.page.getByRole('alert').getByText('not found').waitFor()
    await w.context.close()
  })
})

describe('communication matrix', () => {
  test('two roles are picked by keys, and only their flows are shown, with reasons for exceptions', async () => {
    const w = await opened()
    const { page } = w
    await page.goto('/matrix')
    const rows = page.getByRole('list', { name: 'Flows' }).getByRole('listitem')
    await rows.nth(20).waitFor()
    const all = await rows.count()
    await shot(page, 'matrix-light')
    await clean(w, 'matrix')
    const role = page.getByRole('combobox', { name: 'Role' })
    await choose(page, role, 'controller')
    await page.waitForURL(/role=controller/)
    const peers = page.getByRole('list', { name: 'Whom Controller speaks with' })
    await peers.waitFor()
    const peer = peers.getByRole('button', { name: 'API server' })
    await tabTo(page, peer)
    await page.keyboard.press('Enter')
    await page.waitForURL(/with=apiserver/)
    await page.waitForFunction((n) => document.querySelectorAll('[aria-label=Flows] > li').length < n, all)
    const ends = await page.locator('[aria-label=Flows] .ends').allInnerTexts()
    for (const text of ends) assert.ok(['Controller', 'API server'].every((r) => text.includes(r) || text.includes('Anybody')), text)
    assert.ok(ends.some((text) => text.includes('Controller') && text.includes('API server')), ends.join())
    await shot(page, 'matrix-two')
    await page.goto('/matrix?only=exceptions')
    const first = page.locator('[aria-label=Flows] summary').first()
    await first.waitFor()
    await tabTo(page, first)
    await page.keyboard.press('Enter')
    await page.getByText('Within:').first().waitFor()
    await w.context.close()
  })

  test('fits a phone, in the dark', async () => {
    const w = await opened(phone)
    await w.page.goto('/matrix?role=boot')
    await w.page.getByRole('list', { name: 'Whom Boot speaks with' }).waitFor()
    assert.ok(await w.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the phone')
    await shot(w.page, 'matrix-phone')
    await clean(w, 'matrix on a phone')
    await w.context.close()
  })
})

describe('every page', () => {
  for (const [path, json] of [['/', '/index.json'], ['/hosts', '/hosts.json'], ['/hosts/default/node-0', '/hosts/default/node-0.json'], ['/matrix', '/matrix.json']]) {
    test(`${path} has a twin in JSON`, async () => {
      const w = await opened()
      const [named, asked] = await w.page.evaluate(
        async ([path, json]) => {
          const get = async (p, accept) => {
            const r = await fetch(p, { headers: { Accept: accept } })
            return [r.status, r.headers.get('Content-Type'), Object.keys(await r.json())]
          }
          return [await get(json, 'text/html'), await get(path, 'application/json')]
        },
        [path, json],
      )
      assert.deepEqual(named, asked)
      assert.equal(named[0], 200)
      assert.ok(named[2].includes('body'))
      await w.context.close()
    })
  }
})
