// The page's policy refuses styles that scripts write as text, in <style> elements and in style attributes; those that they set as objects it takes. The terminal writes text: in the elements of a document that it can be
// given, and in attributes of elements that it makes by itself.

// sheeted is a document whose new <style> elements are constructed style sheets.
export function sheeted(of: Document): Document {
  return new Proxy(of, {
    get(target, key) {
      if (key === 'createElement') return (name: string, options?: ElementCreationOptions) => (name === 'style' ? sheet(target) : target.createElement(name, options))
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

// A style attribute that is set comes to the same as its text in the element's style object.
const set = Element.prototype.setAttribute
Element.prototype.setAttribute = function (name, value) {
  if (name === 'style' && this instanceof HTMLElement) this.style.cssText = value
  else set.call(this, name, value)
}
