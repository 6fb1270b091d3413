import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { clean, fits, launch, login, need, shot, tabTo, twin, watched } from './browser.mjs'

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

describe('images', () => {
  test('say how long they are good and what uses them', async () => {
    const w = await opened('/images')
    const { page } = w
    await page.getByText('3 of 3').waitFor()
    await page.getByRole('row', { name: /debian-12\.1 .*good in 8\dd/ }).waitFor()
    await page.getByRole('row', { name: /debian-12\.0 .*in grace in 1\dd/ }).waitFor()
    await page.getByRole('row', { name: /debian-11\.0 .*over/ }).waitFor()
    await shot(page, 'images-light')
    await clean(w, 'images')
    await page.getByRole('combobox', { name: 'Time' }).selectOption('Grace')
    await page.getByText('1 of 3').waitFor()
    assert.equal(new URL(page.url()).searchParams.get('time'), 'Grace')
    await page.getByRole('combobox', { name: 'Time' }).selectOption('')
    const users = page.getByRole('link', { name: '1 have debian-12.1' })
    await tabTo(page, users)
    await page.keyboard.press('Enter')
    await page.waitForURL(/machines\?image=debian-12\.1/)
    await page.getByRole('link', { name: 'web-1' }).waitFor()
    await w.context.close()
  })

  test('fit a phone, in the dark', async () => {
    const w = await opened('/images', phone)
    await w.page.getByRole('row', { name: /debian-12\.1/ }).waitFor()
    await fits(w.page)
    await shot(w.page, 'images-phone')
    await clean(w, 'images on a phone')
    await w.context.close()
  })
})

describe('sizes', () => {
  test('say what can be had, what is held back and for whom, and why the rest cannot', async () => {
    const w = await opened('/sizes')
    const { page } = w
    const small = page.getByRole('region', { name: 'Size small' })
    await small.getByRole('img', { name: /hosts: .*taken/ }).waitFor()
    await small.getByRole('region', { name: 'Reservations of small' }).getByRole('row', { name: /acme acme default 1 of 2/ }).waitFor()
    const capacity = small.getByRole('region', { name: 'Capacity of small' })
    await shot(page, 'sizes-light')
    await clean(w, 'sizes')
    const faulty = capacity.locator('summary').first()
    await tabTo(page, faulty)
    await page.keyboard.press('Enter')
    await capacity.getByRole('listitem').first().waitFor()
    // What is said here is what `ingot partition capacity` counts: each host once.
    const c = await page.evaluate(async () => (await (await fetch('/sizes.json')).json()).rows.find((s) => s.key === 'small').capacity[0])
    assert.equal(c.total, c.allocated + c.available + (c.faulty?.length ?? 0) + (c.other?.length ?? 0))
    await page.getByLabel('Search').fill('huge')
    await page.getByText('1 of 2').waitFor()
    await page.getByText('No host is of it.').waitFor()
    await w.context.close()
  })

  test('are shown to a tenant without the hosts', async () => {
    const w = await watched(browser, dark)
    const { page } = w
    await page.goto('/sizes')
    await page.getByLabel('Token of the API server').fill(need('INGOT_WEB_TENANT_TOKEN'))
    await page.keyboard.press('Enter')
    await page.getByText("is your provider's to see").waitFor()
    await page.getByRole('heading', { name: 'small' }).waitFor()
    await shot(page, 'sizes-tenant-dark')
    await clean(w, "a tenant's sizes")
    await w.context.close()
  })

  test('fit a phone, in the dark', async () => {
    const w = await opened('/sizes', phone)
    await w.page.getByRole('heading', { name: 'small' }).waitFor()
    await fits(w.page)
    await shot(w.page, 'sizes-phone')
    await clean(w, 'sizes on a phone')
    await w.context.close()
  })

  test('and images have twins in JSON', async () => {
    const w = await opened('/images')
    await twin(w.page, '/images', 'rows')
    await twin(w.page, '/sizes', 'rows')
    await w.context.close()
  })
})
