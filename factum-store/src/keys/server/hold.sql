-- factum: nobody else makes or destroys a key until the ring has been moved.
lock table factum.ring, factum.subject, factum.key in access exclusive mode
