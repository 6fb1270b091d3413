import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The output is committed under internal/web/dist: the same sources give the same bytes.
export default defineConfig({
  plugins: [react()],
  base: '/',
  build: {
    outDir: '../internal/web/dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    target: 'es2023',
    reportCompressedSize: false,
  },
})
