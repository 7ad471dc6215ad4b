/** The few signs the pages need, drawn here: no icon font to load over a thin line. */
const PATHS = {
  hand: 'M8 12V5.5a1.5 1.5 0 0 1 3 0V11m0-6.5v-1a1.5 1.5 0 0 1 3 0V11m0-6a1.5 1.5 0 0 1 3 0v7m0-3.5a1.5 1.5 0 0 1 3 0V15a7 7 0 0 1-7 7h-1.2a6 6 0 0 1-4.6-2.1L4 15.600a1.600 1.600 0 0 1 2.300-2.200L8 15',
  mic: 'M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3.500',
  micOff:
    'M9 9v3a3 3 0 0 0 4.800 2.400M15 10V6a3 3 0 0 0-5.700-1.300M5.500 11.500A6.500 6.500 0 0 0 16 16.600m2.100-2.900a6.500 6.500 0 0 0 .400-2.200M12 18v3.500M3.500 3.500l17 17',
  camera: 'M4 7h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2Zm11 4 6-3v8l-6-3',
  cameraOff:
    'M10 7h3a2 2 0 0 1 2 2v2l6-3v8l-4-2M15 15.500A2 2 0 0 1 13 17H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2M3.500 3.500l17 17',
  screen: 'M3 5h18v11H3zM9 20h6M12 16v4M12 13V8m0 0-2.300 2.300M12 8l2.300 2.300',
  stage: 'M3 20h18M6 20v-4h12v4M12 13V4m0 0L8.500 7.500M12 4l3.500 3.500',
  stageDown: 'M3 20h18M6 20v-4h12v4M12 4v9m0 0L8.500 9.500M12 13l3.500-3.500',
  muteAll: 'M11 5 6.500 9H3v6h3.500L11 19zM16 9.500l5 5m0-5-5 5',
  end: 'M12 3v9M6.300 6.700a8 8 0 1 0 11.400 0',
  sound: 'M11 5 6.500 9H3v6h3.500L11 19zM15 9a4 4 0 0 1 0 6M17.500 6.500a8 8 0 0 1 0 11',
  full: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  warning: 'M12 4 2.500 20h19zM12 10v4.500M12 17.300v.200',
  eye: 'M2 12s3.500-6.500 10-6.500S22 12 22 12s-3.500 6.500-10 6.500S2 12 2 12Zm10 3a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z',
  gear: 'M4 7h9m4 0h3M4 17h3m4 0h9M15 5v4M9 15v4',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      aria-hidden="true"
      focusable="false"
    >
      <path
        d={PATHS[name]}
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
