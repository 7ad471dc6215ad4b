import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = process.env['TONGKE_SERVER'] ?? 'http://127.0.0.1:7880';

export default defineConfig({
  plugins: [react()],
  build: {
    target: ['chrome87', 'firefox88', 'safari14'],
    manifest: true,
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        manualChunks: (id) =>
          /node_modules\/(react|react-dom|scheduler)\//.test(id) ? 'react' : undefined,
      },
    },
  },
  server: {
    proxy: {
      '/api': { target: server, ws: true },
      '/rtc': { target: server, ws: true },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test-setup.ts'],
    restoreMocks: true,
  },
});
