/** The page's few signs, drawn with one pen. They say nothing to screen readers: their buttons have names. */
import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      {children}
    </svg>
  );
}

const drawn = (path: string) => () => (
  <Icon>
    <path d={path} />
  </Icon>
);

export const MenuIcon = drawn('M4 7h16M4 12h10M4 17h16');
export const PlusIcon = drawn('M12 5v14M5 12h14');
export const SearchIcon = drawn('M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM16 16l4 4');
export const SlidersIcon = drawn('M4 8h9M19 8h1M4 16h1M11 16h9M16 5.5v5M8 13.5v5');
export const PenIcon = drawn('M5 19l1-4L16.5 4.5l3 3L9 18l-4 1Z');
export const BinIcon = drawn('M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7');
export const CopyIcon = drawn('M9 9h10v10H9zM15 9V5H5v10h4');
export const CheckIcon = drawn('M5 12.5l4.5 4.5L19 7.5');
export const AgainIcon = drawn('M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4');
export const LeftIcon = drawn('M14 6l-6 6 6 6');
export const RightIcon = drawn('M10 6l6 6-6 6');
export const DownIcon = drawn('M12 5v14M6 13l6 6 6-6');
export const UpIcon = drawn('M12 19V5M6 11l6-6 6 6');
export const CloseIcon = drawn('M6 6l12 12M18 6L6 18');
export const StopIcon = () => (
  <Icon>
    <rect x="7" y="7" width="10" height="10" rx="1.5" className="filled" />
  </Icon>
);
