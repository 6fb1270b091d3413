import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { api, ips, project } from './api.mjs'
import { clean, fits, launch, login, need, patience, shot, tabTo, twin, watched } from './browser.mjs'

let browser

before(async () => {
  browser = await launch()
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 900 } }
const dark = { ...wide, colorScheme: 'dark' }
const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }

async function opened(path, options = wide) {
  const w = await watched(browser, options)
  await login(w.page)
  await w.page.goto(path)
  return w
}

const status = (page) => page.locator('.told')

describe('networks', () => {
  test('the list is searched, and says whose an address is', async () => {
    const w = await opened('/networks')
    const { page } = w
    await page.getByText('5 of 5').waitFor()
    await page.getByRole('row', { name: /inside.*10\.0\..*Allocated/ }).waitFor()
    await shot(page, 'networks-light')
    await clean(w, 'networks')
    await page.getByLabel('Search').fill('inside')
    await page.getByText('1 of 5').waitFor()
    assert.equal(new URL(page.url()).searchParams.get('q'), 'inside')
    const whose = page.getByLabel('Whose is the address')
    await tabTo(page, whose)
    await page.keyboard.type('203.0.113.80')
    await page.keyboard.press('Enter')
    await page.getByText(`203.0.113.80 is the address of IP ${project}/entrance`).waitFor()
    await page.getByText(`it is held by IP/${project}/entrance`).waitFor()
    await clean(w, 'whose an address is')
    await page.getByLabel('Search').fill('tenants')
    const link = page.getByRole('link', { name: 'tenants' })
    await tabTo(page, link)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'tenants', exact: true }).waitFor()
    await w.context.close()
  })

  test('an address is found in the map by keys, with who holds it, what rests and what waits', async () => {
    const w = await opened('/networks/carrier/internet')
    const { page } = w
    const map = page.getByRole('listbox', { name: /203\.0\.113\.0\/24/ })
    await map.waitFor()
    assert.equal(await map.getByRole('option').count(), 256)
    const sums = page.getByRole('region', { name: 'Usage of 203.0.113.0/24' })
    await sums.getByText('2 held').waitFor()
    await sums.getByText('1 resting').waitFor()
    await sums.getByText('11 given to nobody').waitFor()
    await tabTo(page, map)
    await page.keyboard.press('Home')
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowDown')
    await status(page).getByText(`held by IP ${project}/entrance`).waitFor()
    await page.keyboard.press('ArrowRight')
    await status(page).getByText(`held by IP ${project}/mail`).waitFor()
    await page.getByRole('option', { name: `203.0.113.100: resting after IP ${project}/old` }).hover()
    await status(page).getByText('free again').waitFor()
    await page.getByRole('list', { name: 'What is in 2001:db8:f00::/64' }).getByText('2001:db8:f00::80', { exact: true }).waitFor()
    await page.getByRole('row', { name: /203\.0\.113\.1 waiting wished.*Excluded/ }).waitFor()
    await shot(page, 'network-light')
    await clean(w, 'network')
    await w.context.close()
  })

  test('a new address is drawn while one looks, and its end too', async () => {
    const w = await opened('/networks/carrier/internet')
    const { page } = w
    await page.getByRole('option', { name: '203.0.113.33: free', exact: true }).waitFor()
    const name = `live-${Date.now()}`
    await api('POST', ips, { apiVersion: 'ingot.dev/v1alpha1', kind: 'IP', metadata: { name }, spec: { network: { namespace: 'carrier', name: 'internet' }, address: '203.0.113.33' } })
    await page.getByRole('option', { name: `203.0.113.33: held by IP ${project}/${name}` }).waitFor()
    await page.getByRole('row', { name: new RegExp(`203\\.0\\.113\\.33 held ${name}`) }).waitFor()
    await api('DELETE', `${ips}/${name}`)
    await page.getByRole('option', { name: `203.0.113.33: resting after IP ${project}/${name}` }).waitFor()
    await clean(w, 'network while it changes')
    await w.context.close()
  })

  test('a block is looked into, and left again, by keys; a super network is drawn by its children', async () => {
    const w = await opened('/networks/carrier/tenants', dark)
    const { page } = w
    const map = page.getByRole('listbox', { name: /10\.0\.0\.0\/14/ })
    await map.getByRole('option', { name: new RegExp(`: held by Network ${project}/(inside|backup)`) }).nth(1).waitFor()
    await page.getByRole('list', { name: 'What is in 2001:db8:a00::/48' }).getByText(`held by Network ${project}/inside`).waitFor()
    await shot(page, 'network-super-dark')
    await clean(w, 'super network')
    await page.goto(`/networks/${project}/inside`)
    const inside = page.getByRole('listbox').first()
    await inside.waitFor()
    const block = page.getByRole('option', { name: /^10\.0\.0\.0.*\d held/ }).first()
    await block.waitFor()
    await tabTo(page, inside)
    await page.keyboard.press('Home')
    await status(page).getByText('Enter looks into it').waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(/block=/)
    await page.getByRole('option', { name: `held by IP ${project}/database` }).waitFor()
    assert.equal(await page.getByRole('listbox').first().getByRole('option').count(), 4)
    await page.keyboard.press('Backspace')
    await page.waitForFunction(() => !location.search.includes('block='))
    await block.waitFor()
    await clean(w, 'a block that was looked into')
    await w.context.close()
  })

  test('fit a phone, in the dark', async () => {
    const w = await opened('/networks', phone)
    const { page } = w
    await page.getByRole('link', { name: 'internet' }).waitFor()
    await fits(page)
    await shot(page, 'networks-phone')
    await clean(w, 'networks on a phone')
    await page.goto('/networks/carrier/internet')
    await page.getByRole('listbox').first().waitFor()
    await fits(page)
    await shot(page, 'network-phone')
    await clean(w, 'network on a phone')
    await w.context.close()
  })

  test('who may look at one project alone is led to it, and sees of a network what is theirs', async () => {
    const w = await watched(browser, wide)
    const { page } = w
    await page.goto('/networks')
    await page.getByLabel('Token of the API server').fill(need('INGOT_WEB_TENANT_TOKEN'))
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('your rights do not reach').waitFor()
    const project_ = page.getByLabel('Namespace')
    await clean(w, 'networks without the right')
    await tabTo(page, project_)
    await page.keyboard.type(project)
    await page.keyboard.press('Enter')
    await page.getByText('2 of 2').waitFor()
    await page.getByRole('link', { name: 'inside' }).click()
    await page.getByText("who else holds addresses is your provider's to see").waitFor()
    await page.getByRole('row', { name: /held database/ }).waitFor({ timeout: patience })
    await shot(page, 'network-tenant')
    await clean(w, "a tenant's network")
    await w.context.close()
  })

  test('have twins in JSON', async () => {
    const w = await opened('/networks')
    await twin(w.page, '/networks', 'rows')
    await twin(w.page, '/networks/carrier/internet', 'rows')
    const bad = await w.page.evaluate(async () => (await fetch('/networks/carrier/internet.json?block=nonsense')).status)
    assert.equal(bad, 400)
    await w.context.close()
  })
})
