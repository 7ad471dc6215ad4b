/** What to say about the camera and the microphone, if anything. */
import type { DeviceProblem, DeviceStatus } from '../media/types';

export interface DeviceNotice {
  readonly problem: DeviceProblem;
  readonly devices: 'camera' | 'microphone' | 'both';
}

export function deviceNotices(
  camera: DeviceStatus,
  microphone: DeviceStatus,
): readonly DeviceNotice[] {
  const cameraProblem = camera.state === 'problem' ? camera.problem : undefined;
  const microphoneProblem = microphone.state === 'problem' ? microphone.problem : undefined;
  if (cameraProblem !== undefined && cameraProblem === microphoneProblem)
    return [{ problem: cameraProblem, devices: 'both' }];
  const notices: DeviceNotice[] = [];
  if (cameraProblem) notices.push({ problem: cameraProblem, devices: 'camera' });
  if (microphoneProblem) notices.push({ problem: microphoneProblem, devices: 'microphone' });
  return notices;
}
