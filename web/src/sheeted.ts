// The page's policy refuses styles that scripts write as text, in <style> elements and in style attributes; those that they set as objects it takes. The terminal writes text, into a document that it can be given.

// sheeted is a document whose new <style> elements are constructed style sheets, and whose new elements' style attributes are set by the object model.
export function sheeted(of: Document): Document {
  return new Proxy(of, {
    get(target, key) {
      if (key === 'createElement') return (name: string, options?: ElementCreationOptions) => (name === 'style' ? sheet(target) : plain(target.createElement(name, options)))
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

// sheet stands in a <style> element's place, and takes its text to the document's sheets.
function sheet(of: Document): HTMLElement {
  const element = of.createElement('template')
  const rules = new CSSStyleSheet()
  of.adoptedStyleSheets = [...of.adoptedStyleSheets, rules]
  const gone = element.remove.bind(element)
  Object.defineProperty(element, 'textContent', { set: (text: string) => rules.replaceSync(text) })
  element.remove = () => {
    of.adoptedStyleSheets = of.adoptedStyleSheets.filter((s) => s !== rules)
    gone()
  }
  return element
}

function plain(element: HTMLElement): HTMLElement {
  const set = element.setAttribute.bind(element)
  element.setAttribute = (name, value) => {
    if (name === 'style') element.style.cssText = value
    else set(name, value)
  }
  return element
}
