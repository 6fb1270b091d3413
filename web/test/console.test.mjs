// The serial console in a host's page: the real console role, the BMC's SSH server, and a system that echoes what is typed at it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { api } from './api.mjs'
import { clean, launch, login, need, shot, tabTo, watched } from './browser.mjs'

let browser
let host

before(async () => {
  browser = await launch()
  const hosts = await api('GET', '/apis/metal3.io/v1alpha1/namespaces/default/baremetalhosts')
  host = hosts.items.find((h) => h.status.provisioning.state === 'provisioned').metadata.name
})
after(async () => {
  await browser?.close()
})

const wide = { viewport: { width: 1280, height: 900 } }

// opened is a host's page with its console open.
async function opened(options = wide, token = '') {
  const w = await watched(browser, options)
  if (!token) await login(w.page)
  else {
    await w.page.goto('/')
    await w.page.getByLabel('Token of the API server').fill(need(token))
    await w.page.getByRole('button', { name: 'Log in' }).click()
    await w.page.getByRole('button', { name: 'Log out' }).waitFor()
  }
  await w.page.goto(`/hosts/default/${host}`)
  return w
}

const area = (page) => page.getByRole('region', { name: 'Console' })

async function begun(w) {
  const start = w.page.getByRole('button', { name: 'Open the serial console' })
  await tabTo(w.page, start)
  await w.page.keyboard.press('Enter')
  await area(w.page).getByText('Open:').waitFor()
}

const shows = (page, text) => page.waitForFunction((t) => document.querySelector('.xterm-rows')?.innerText.replaceAll('\u00a0', ' ').includes(t), text)

test('a console is opened, typed at and left by keys alone, and recorded', async () => {
  const w = await opened()
  const { page } = w
  await begun(w)
  await area(page).getByText('Open: you type.').waitFor()
  // The terminal has the focus.
  await page.keyboard.type('hello from the page')
  await shows(page, 'hello from the page')
  await shot(page, 'console-light')
  await clean(w, 'console')
  await page.keyboard.press('Tab')
  assert.ok(await page.evaluate(() => document.activeElement.closest('.screen')), 'Tab is the machine’s')
  await page.keyboard.press('Control+F6')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Close the console')
  await page.getByLabel('For a screen reader').check()
  await page.locator('.xterm-accessibility').waitFor({ state: 'attached' })
  await clean(w, 'console for a screen reader')
  await page.getByRole('button', { name: 'Close the console' }).click()
  await page.getByRole('button', { name: 'Open the serial console' }).waitFor()
  await w.context.close()
})

test('colours that need a style of their own break no policy', async () => {
  const w = await opened({ ...wide, colorScheme: 'dark' })
  await begun(w)
  // What is typed is echoed as it is: a colour of 24 bits, which the terminal sets by a style attribute.
  await w.page.locator('.xterm-helper-textarea').evaluate((e, text) => {
    const data = new DataTransfer()
    data.setData('text/plain', text)
    e.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))
  }, '\u001b[38;2;200;100;50mrust\u001b[0m')
  await shows(w.page, 'rust')
  await shot(w.page, 'console-dark')
  await clean(w, 'console with colours')
  await w.context.close()
})

test('two at one console: one types, and the other may take over', async () => {
  const [first, second] = [await opened(), await opened()]
  await begun(first)
  await area(first.page).getByText('Open: you type.').waitFor()
  await begun(second)
  await area(second.page).getByText('Open: somebody else types.').waitFor()
  await area(second.page).getByRole('button', { name: 'Type in their place' }).click()
  await area(second.page).getByText('Open: you type.').waitFor()
  await area(first.page).getByText('Open: somebody else types.').waitFor()
  await second.context.close()
  await first.context.close()
})

test('a session that ends takes the console along', async () => {
  const w = await opened({ viewport: { width: 390, height: 800 }, colorScheme: 'dark' })
  await begun(w)
  await shot(w.page, 'console-phone')
  assert.ok(await w.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen')
  // In another tab.
  const other = await w.context.newPage()
  await other.goto('/settings')
  await other.getByRole('button', { name: 'Log out' }).click()
  await w.page.getByLabel('Token of the API server').or(w.page.getByText('your session ended')).first().waitFor()
  await w.context.close()
})

test('who has no right to a console is offered none, and gets none', async () => {
  const w = await opened(wide, 'INGOT_WEB_STRANGER_TOKEN')
  const said = await w.page.evaluate(
    (path) =>
      new Promise((resolve) => {
        const ws = new WebSocket(`wss://${location.host}${path}`)
        ws.onmessage = (e) => resolve(JSON.parse(e.data))
        ws.onclose = () => resolve(null)
      }),
    `/consoles/host/default/${host}`,
  )
  assert.equal(said?.type, 'end')
  assert.equal(said?.reason, 'Refused')
  assert.equal(await w.page.getByRole('button', { name: 'Open the serial console' }).count(), 0)
  await w.context.close()
})
